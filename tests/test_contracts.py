"""Everything in a registry keeps its contract, and adding a thing is one file and at most one line."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import nn

from fibrostage import testing
from fibrostage.active.modifiers import MODIFIERS
from fibrostage.active.query_units import QUERY_UNITS
from fibrostage.active.strategies import STRATEGIES
from fibrostage.campaign.stopping import RULES
from fibrostage.cli.commands import COMMANDS
from fibrostage.ground.registry import InFiles, Registry
from fibrostage.markers import MARKERS
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.heads import HEADS
from fibrostage.networks.heads.spec import HeadKind
from fibrostage.report.figures import FIGURES
from fibrostage.report.results import Results
from fibrostage.report.sections import SECTIONS
from fibrostage.report.style import FigureLook, looking
from fibrostage.stats.poolings import POOLINGS
from fibrostage.stats.poolings.spec import Pooling
from tests.report import made
from tests.results.made import made_metrics

SOURCE = Path(__file__).resolve().parents[1] / "src" / "fibrostage"
REGISTRIES: list[Registry] = [  # type: ignore[type-arg]
    STRATEGIES, MODIFIERS, MARKERS, BACKBONES, HEADS, POOLINGS, SECTIONS, FIGURES, RULES, QUERY_UNITS, COMMANDS,
]  # fmt: skip


def every(registry: Registry) -> pytest.MarkDecorator:  # type: ignore[type-arg]
    return pytest.mark.parametrize("thing", list(registry), ids=registry.names())


@every(STRATEGIES)
def test_strategy(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_strategy(thing)


@every(MODIFIERS)
def test_modifier(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_modifier(thing)


@every(MARKERS)
def test_marker(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_marker(thing)


@every(BACKBONES)
def test_backbone(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_backbone(thing)


@every(HEADS)
def test_head(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_head(thing)


@every(POOLINGS)
def test_pooling(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_pooling(thing)


@every(RULES)
def test_stopping_rule(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_stopping_rule(thing)


@every(QUERY_UNITS)
def test_query_unit(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_query_unit(thing)


@every(COMMANDS)
def test_command(thing) -> None:  # type: ignore[no-untyped-def]
    testing.check_command(thing)


def results(n: int) -> Results:
    """Results of n test patients whose probabilities say something of their stages."""
    metrics = made_metrics()
    staging = metrics.staging("METAVIR")
    truth = torch.arange(n) % 5
    table = (nn.functional.one_hot(truth, 5) + torch.rand(n, 5, generator=torch.Generator().manual_seed(0))).softmax(1)
    names = [f"P{k}" for k in range(n)]
    frame = pl.DataFrame({"patient_id": names, "stage": [f"F{k}" for k in truth.tolist()], "split": "test"})
    frame = frame.with_columns([pl.Series(f"p_{k}", table[:, k].double().numpy()) for k in range(5)])
    return Results("made", staging, [metrics], [{"staging": {"name": "METAVIR"}}], {"LSTE": frame}, failures={"a": "b"})


@every(SECTIONS)
@pytest.mark.parametrize("patients", [60, 5])
def test_section(thing, patients: int) -> None:  # type: ignore[no-untyped-def]
    testing.check_section(thing, results(patients))


@every(FIGURES)
@pytest.mark.parametrize("width", [None, 89, 183])
def test_figure(thing, width: int | None) -> None:  # type: ignore[no-untyped-def]
    with looking(FigureLook(width=width)):
        several = [make(width is not None) for make in (made.run, made.study, made.supervised)]
        several.append(made.manuscript(simulated=width is not None))
        assert any(thing.wanted(results) for results in several)
        for results in several:
            testing.check_figure(thing, results)


def test_a_figure_that_says_nothing_or_spills_over_is_found_out() -> None:
    (drawn,) = FIGURES["roc_curves"].draw(made.run())
    for lacking in ({"alt": ""}, {"counted": ""}, {"interval": ""}):
        with pytest.raises(AssertionError):
            testing.check_drawing(replace(drawn, **lacking), False)
    with pytest.raises(AssertionError, match="SIMULATED"):
        testing.check_drawing(drawn, True)
    drawn.figure.text(0.9, 0.5, "far too long to end on the canvas")
    with pytest.raises(AssertionError, match="outside the canvas"):
        testing.check_drawing(drawn, False)


class Unbiased(nn.Module):
    """A third head: the sum, twice as steep."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.outputs = classes

    def forward(self, total: torch.Tensor) -> torch.Tensor:
        return 2 * total


def test_a_head_without_a_form_of_its_own_goes_the_long_way() -> None:
    testing.check_head(HeadKind("unbiased", Unbiased))


def test_a_wrong_head_is_found_out() -> None:
    wrong = HeadKind("unbiased", Unbiased, HEADS["softmax"].pool)
    with pytest.raises(AssertionError):
        testing.check_head(wrong)


def test_a_pooling_that_sees_candidates_together() -> None:
    testing.check_pooling(Pooling("median", "median", together=lambda own: own[own.max(axis=1).argmax()]))


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_a_thing_is_one_file_and_one_word(registry: Registry) -> None:  # type: ignore[type-arg]
    """Its own name occurs in the registry's list, and the file's in no other module of the package."""
    own = registry._own
    assert isinstance(own, InFiles)
    folder = SOURCE.joinpath(*own.package.split(".")[1:])
    assert registry.group is not None, "and from outside by an entry point"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "spec"}
    helpers = {"skactiveml", "resnet"}  # an adapter of another library, a family's shared blocks
    assert files - helpers == set(own.files)
    for file in own.files:
        module = f"{own.package}.{file}"
        users = [p for p in SOURCE.rglob("*.py") if f"from {module} import" in p.read_text(encoding="utf-8")]
        shown = [str(p.relative_to(SOURCE)) for p in users if p.parent != folder and "bench" not in p.parts]
        assert shown == [], f"{module} is imported by name"


def test_no_two_classes_of_one_name() -> None:
    names: Counter[str] = Counter()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names.update(node.name for node in tree.body if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_wall_speaks_in_untyped_dicts() -> None:
    for room in ("results", "analysis", "views", "report", "cli"):
        for path in (SOURCE / room).rglob("*.py"):
            assert "dict[str, Any]" not in path.read_text(encoding="utf-8"), path
