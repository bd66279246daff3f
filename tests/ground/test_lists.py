"""Names stand in a sentence as people list them, whether there are none, one or many."""

from __future__ import annotations

import pytest

from fibrostage.ground.lists import and_, first_of, or_


@pytest.mark.parametrize(
    ("names", "all_of", "any_of"),
    [([], "", ""), (["a"], "a", "a"), (["a", "b"], "a and b", "a or b"), (["a", "b", "c"], "a, b and c", "a, b or c")],
)
def test_all_and_any(names: list[str], all_of: str, any_of: str) -> None:
    assert and_(names) == all_of
    assert or_(names) == any_of


def test_the_first_and_how_many_more() -> None:
    assert first_of(["a", "b"], 3) == "a, b"
    assert first_of(["a", "b", "c"], 3) == "a, b, c"
    assert first_of(["a", "b", "c", "d", "e"], 3) == "a, b, c and 2 more"
