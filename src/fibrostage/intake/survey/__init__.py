"""What is in a hospital's folder, and the plan that would take it in."""
