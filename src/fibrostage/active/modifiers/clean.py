"""Clean: items with an image that intake found bad (`quality` in images.parquet) are asked last."""

from fibrostage.active.modifiers.spec import Modifier

MODIFIER = Modifier("clean", "clean", postpones=lambda facts: facts.bad)
