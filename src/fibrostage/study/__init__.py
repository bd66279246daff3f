"""Studies: a grid of runs and its results table."""
