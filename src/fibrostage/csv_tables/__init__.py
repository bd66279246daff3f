"""Tables that people write, read with every fault named, and tables that they take away."""
