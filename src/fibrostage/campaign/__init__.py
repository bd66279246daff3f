"""Questions asked and answered over time, and a model fitted to the answers."""
