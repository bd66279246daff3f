"""What is computed from results and scores; knows nothing of how it is shown."""
