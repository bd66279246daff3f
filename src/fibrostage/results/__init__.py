"""What lies on disk about runs and studies; the only owner of those file names; knows nothing of torch."""
