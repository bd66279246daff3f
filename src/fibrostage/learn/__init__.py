"""Fitting and predicting: from a cohort and a plan to per-patient probabilities."""
