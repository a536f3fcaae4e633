"""Values and bytes: what a backend is, and what is stored in it. Knows no decorator."""
