"""Networks: backbones, streams, heads, their fusion, and where weights come from."""
