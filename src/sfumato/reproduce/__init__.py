"""Published tables and figures, measured again, one a file."""
