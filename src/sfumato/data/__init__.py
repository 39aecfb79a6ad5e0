"""Face tables, names and labels, importers, splits, pairs, sampling and simulation."""
