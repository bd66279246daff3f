"""What everything stands on: stages, quantities, geometry, errors; knows of no other folder."""
