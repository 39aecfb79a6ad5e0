"""Pure tensor functions with their equation numbers."""
