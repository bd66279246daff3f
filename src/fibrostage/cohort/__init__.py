"""Cohorts: patients, their images and labels; immutable on disk once written, and identified by a fingerprint."""
