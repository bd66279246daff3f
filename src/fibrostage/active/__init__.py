"""Pool-based active learning: which candidates to label next, and what the labels cost."""
