"""Tables that people write: read with every fault named."""
