"""Networks: torch modules without loss, file or device; and trained ones as plain arrays."""
