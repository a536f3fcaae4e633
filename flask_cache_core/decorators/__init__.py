"""What a user writes on a function or in a template."""
