"""What was asked and answered: events, the state they make, and where they are stored; knows nothing of networks."""
