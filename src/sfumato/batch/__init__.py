"""Jobs over millions of rows, part by part."""
