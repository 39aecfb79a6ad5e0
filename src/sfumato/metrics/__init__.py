"""Verification, identification, leakage, fairness and picture metrics; NumPy and SciPy alone."""
