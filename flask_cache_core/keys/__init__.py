"""Pure: from what was called to one string."""
