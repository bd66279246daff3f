"""Margin: how close the two likeliest stages are (Scheffer et al. 2001), as 1 − (p₁ − p₂)."""

from fibrostage.active.strategies.spec import Strategy, margins

STRATEGY = Strategy("margin", "Margin", "passes", lambda known: margins(known.stages()))
