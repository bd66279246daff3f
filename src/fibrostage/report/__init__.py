"""Figures and pages from a results folder; nothing here knows of torch."""
