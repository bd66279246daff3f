"""From a hospital's own files to a cohort."""
