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
    ("name", "value", "message"),
    [
        ("alien", f"{__name__}:NOTHING", "the thing 'alien' of package .* does not load"),
        ("stranger", f"{__name__}:ALIEN", "the thing 'stranger' of package .* has another name of its own"),
        ("own", f"{__name__}:THING", "two things are named 'own': one of fibrostage, one of"),
    ],
)
def test_what_another_package_gets_wrong(monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        outside(monkeypatch, name, value).names()
