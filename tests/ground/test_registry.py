"""Registries: our files by name, other packages' things by entry points."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest

from fibrostage.ground import registry
from fibrostage.ground.errors import PlanError
from fibrostage.ground.registry import InFiles, Registry


@dataclass(frozen=True)
class Thing:
    name: str


THING, ALIEN = Thing("own"), Thing("alien")


def outside(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> Registry[Thing]:
    point = EntryPoint(name, value, "fibrostage.things")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    return Registry("thing", (THING,), "fibrostage.things")


def test_names_and_unknown_ones() -> None:
    things = Registry("thing", (THING, ALIEN))
    assert things.names() == ["own", "alien"]
    assert things["own"] is THING
    assert "own" in things
    with pytest.raises(PlanError, match="unknown thing 'aline', did you mean 'alien'\\?; known: own, alien"):
        things["aline"]


def test_two_of_one_name() -> None:
    with pytest.raises(ValueError, match="two things are named 'own'"):
        Registry("thing", (THING, THING)).names()


def test_nothing_is_imported_before_somebody_asks() -> None:
    things = Registry("thing", InFiles("no.such.package", "THING", ("file",)))
    with pytest.raises(ModuleNotFoundError):
        things.names()


def test_a_thing_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    things = outside(monkeypatch, "alien", f"{__name__}:ALIEN")
    assert things["alien"] is ALIEN
    assert things.package("own") == "fibrostage"
    assert things.package("alien") == __name__


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("alien", f"{__name__}:NOTHING", "does not load"),
        ("alien", "no.such.package:THING", "does not load: No module named"),
        ("alien", f"{__name__}:ENDS", "does not load"),
        ("alien", f"{__name__}:outside", "is no thing"),
        ("stranger", f"{__name__}:ALIEN", "has another name of its own"),
        ("own", f"{__name__}:THING", "is left out: there is a thing of that name already, of fibrostage"),
    ],
)
def test_what_another_package_gets_wrong_stops_nothing_else(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    things = outside(monkeypatch, name, value)
    assert things.names() == ["own"]
    assert things["own"] is THING
    (broken,) = things.broken
    assert why in broken.why
    assert str(broken).startswith(f"the thing {name!r} of package ")
    if name != "own":
        with pytest.raises(PlanError, match=f"the thing {name!r} of package .* {why}.*; mend or uninstall"):
            things[name]


def __getattr__(name: str) -> Thing:
    """A module that ends Python when it is asked for something."""
    if name == "ENDS":
        raise SystemExit("goodbye")
    raise AttributeError(name)


def test_a_thing_that_does_not_go_with_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("alien", f"{__name__}:ALIEN", "fibrostage.things")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    things = Registry("thing", (THING,), "fibrostage.things", lambda item, others: f"fights {next(iter(others)).name}")
    assert things.names() == ["own"]
    assert things.broken[0].why == "fights own"
    with pytest.raises(PlanError, match="the thing 'alien' fights own"), things.lent(ALIEN):
        pass


def test_what_cannot_be_used_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    things = outside(monkeypatch, "alien", f"{__name__}:ALIEN")
    things.leave_out("alien", "is of no use")
    assert things.names() == ["own"]
    assert [one.why for one in things.broken] == ["is of no use"]
