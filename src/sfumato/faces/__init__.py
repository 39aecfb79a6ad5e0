"""Photos to faces: read, detect, align, crop, encode."""
