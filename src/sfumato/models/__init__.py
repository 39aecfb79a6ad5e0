"""Saved models and the registry of methods."""
