"""Perturbers: image to image, one method a file."""
