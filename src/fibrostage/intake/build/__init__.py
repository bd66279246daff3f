"""Many files → one cohort."""
