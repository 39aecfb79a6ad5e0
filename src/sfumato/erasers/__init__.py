"""Erasers: embedding to embedding, one method a file."""
