"""Statistics of diagnostic accuracy: arrays in, frozen results out; numpy and scipy only."""
