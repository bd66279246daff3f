"""Everything here keeps the contract of its kind."""

from lab_fibrostage.king import MARKER
from lab_fibrostage.lab import RECIPE
from lab_fibrostage.severe import STRATEGY
from lab_fibrostage.timid import MODIFIER
from lab_fibrostage.who_was_missed import SECTION

from fibrostage import testing


def test_contracts() -> None:
    testing.check_marker(MARKER)
    testing.check_modifier(MODIFIER)
    testing.check_recipe(RECIPE)
    testing.check_strategy(STRATEGY)
    assert SECTION.title
