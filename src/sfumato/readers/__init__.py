"""Readers: what reads an attribute of a face."""
