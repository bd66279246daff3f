"""What a strategy, marker, head and the like must do, as checks that other packages run on theirs and we run on ours.

    from fibrostage.testing import check_marker
    def test_my_marker(): check_marker(MARKER)

Every check raises `AssertionError` that says what is wrong. Nothing here needs pictures, a cohort or a GPU.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import BboxBase
from numpy.typing import NDArray

from fibrostage import SIMULATED
from fibrostage.active.embedded_pool import Embedding, Items
from fibrostage.active.logit_tables import build_tables
from fibrostage.active.modifiers.spec import ItemFacts, Modifier
from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.active.strategies.spec import BatchStrategy, Known, Strategy, entropy
from fibrostage.active.top_items import Choosable, Quotas
from fibrostage.campaign.stopping.spec import StoppingRule
from fibrostage.cli.commands.spec import GROUPS, Command
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.ground.stage import KNOWN
from fibrostage.markers.spec import Marker, values_of
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.fusion import Head
from fibrostage.networks.heads.spec import HeadKind
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.asking import StoppingPlan
from fibrostage.plan.recipes import PlanRecipe
from fibrostage.plan.run_plan import Plan
from fibrostage.report.drawing import Drawing
from fibrostage.report.figures.spec import FigureKind
from fibrostage.report.results import Results
from fibrostage.report.sections.spec import Block, Section
from fibrostage.results.metrics import Cost
from fibrostage.results.rounds import Round
from fibrostage.stats.poolings.spec import Pooling

CLASSES = 5
SPACE = CandidateSpace(("a", "b"), np.array([[2, 3], [1, 0], [2, 2], [3, 1], [0, 2]]))


def check_marker(marker: Marker) -> None:
    """Its worked example holds, a missing input is a missing value, its columns take what the example gives them, and
    its cut-offs are of systems that there are."""
    assert marker.title and marker.formula and marker.source, "title, formula and source are for readers"  # noqa: PT018
    columns = {name: np.array([value], dtype=np.float64) for name, value in marker.example.inputs.items()}
    np.testing.assert_allclose(values_of(marker, columns, 1).values, [marker.example.value], rtol=1e-6)
    for need in marker.needs:
        value = marker.example.inputs.get(need.column)
        assert value is None or need.quantity.refusal(value) is None, f"the example's {need.column} is not plausible"
        without = {name: values for name, values in columns.items() if name != need.column}
        found = values_of(marker, without, 1)
        if need.default is None:
            assert np.isnan(found.values[0]), f"without {need.column} the marker must be missing"
        else:
            assert np.isfinite(found.values[0]), f"{need.column} has a default, so the marker is never missing for it"
    for cutoff in marker.cutoffs:
        assert KNOWN[cutoff.system].threshold(cutoff.cut) > 0
        assert cutoff.whom and cutoff.source, "a cut-off belongs to a population and a source"  # noqa: PT018


def check_strategy(strategy: Strategy | BatchStrategy) -> None:
    """A scoring strategy is a pure function to finite scores that are not negative; one that chooses together picks
    different available items, within quotas, and the same ones from the same seed."""
    if isinstance(strategy, Strategy):
        known = known_items(40)
        scores = strategy.score(known)
        assert scores.shape == (40,), "one score an item"
        assert np.isfinite(scores).all(), "scores are finite"
        assert (scores >= 0).all(), "scores are not negative"
        np.testing.assert_array_equal(strategy.score(known), scores)
        return
    first = strategy.select(made_items(), 10, np.random.default_rng(1))
    assert len(first) == len(set(first)) == 10, "as many different items as asked for"
    assert first == strategy.select(made_items(), 10, np.random.default_rng(1)), "the same seed, the same items"
    few = strategy.select(made_items(patients=6, per_patient=2), 50, np.random.default_rng(1))
    assert np.bincount(np.array(few) % 6, minlength=6).max() <= 2, "no more of a patient than the quota allows"
    if not strategy.needs_model:
        cold = made_items(labelled=0)
        cold.probabilities = cold.stages = None
        assert len(set(strategy.select(cold, 8, np.random.default_rng(0)))) == 8, "it says that it needs no model"


def check_modifier(modifier: Modifier) -> None:
    """It does something, and what it does keeps shapes."""
    assert modifier.reweigh or modifier.in_turn or modifier.postpones, "a modifier changes something"
    if modifier.reweigh is not None:
        rng = np.random.default_rng(0)
        scores = modifier.reweigh(rng.random(30), rng.gumbel(size=30), 1.0)
        assert scores.shape == (30,)
        assert np.isfinite(scores).all()
    if modifier.postpones is not None:
        from fibrostage.active.query_units import query_unit

        unit = query_unit("candidate", SPACE)
        items = np.arange(int(unit.offsets[-1]))
        bad = tuple(np.zeros(int(count), dtype=bool) for count in SPACE.counts.sum(axis=0))
        put = modifier.postpones(ItemFacts(unit, items, bad))
        assert put.shape == items.shape
        assert put.dtype == bool


def check_query_unit(kind: type[QueryUnit]) -> None:
    """Items are numbered by patient without gaps, stand for images of their own patient, and can be learned from."""
    unit = kind(SPACE)
    items = np.arange(int(unit.offsets[-1]))
    owners = unit.patient_of(items)
    assert (np.diff(owners) >= 0).all(), "items are numbered by patient"
    np.testing.assert_array_equal(np.bincount(owners, minlength=len(SPACE.counts)), np.diff(unit.offsets))
    found = [unit.item_of(int(owner), row) for owner, row in zip(owners, unit.rows(items), strict=True)]
    assert found == items.tolist(), "item_of is the inverse of rows"
    rows = unit.rows(items)
    assert rows.shape == (len(items), len(SPACE.modalities))
    examples = unit.examples(items, owners % CLASSES, 0)
    assert len(examples.rows) == len(examples.stages) > 0
    candidates, images = unit.shown(items)
    assert images == int(SPACE.counts[SPACE.per_patient > 0].sum()), "all items show all images of usable patients"
    assert candidates > 0
    assert unit.rows_in_tables(items).shape == rows.shape


def check_stopping_rule(rule: StoppingRule) -> None:
    """A plan that sets nothing does not set the rule, and the rule never stops before there is a round."""
    assert not rule.is_set(StoppingPlan())
    assert rule.name


def check_head(kind: HeadKind) -> None:
    """Its probabilities are probabilities, it can be learned, and its way of scoring a pool equals the long way: every
    candidate through the whole head, pass by pass, with the same dropout."""
    torch.manual_seed(0)
    head = Head(SPACE.modalities, dict.fromkeys(SPACE.modalities, 12), CLASSES, reduce=8, se_reduction=2, kind=kind)
    with torch.no_grad():
        for parameter in head.streams.parameters():
            parameter.normal_(0, 0.7)
    features = {name: torch.randn(int(SPACE.counts[:, k].sum()), 12) for k, name in enumerate(SPACE.modalities)}
    rows = torch.from_numpy(SPACE.decode(np.arange(SPACE.total)))
    logits = head.fuse(head.tables(features), rows)
    assert logits.shape == (SPACE.total, CLASSES), "logits of every stage"
    torch.testing.assert_close(logits.softmax(-1).sum(-1), torch.ones(SPACE.total))
    logits.logsumexp(-1).sum().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in head.parameters()), "gradients are finite"
    for passes in (1, 4):
        tables = build_tables(head, features, SPACE, passes, np.random.default_rng(3) if passes > 1 else None)
        with torch.no_grad():
            if passes > 1:
                drawn = head.passes(features, head.masks(passes, np.random.default_rng(3)))
            else:
                drawn = {name: table[None] for name, table in head.tables(features).items()}
            each = head.fuse(drawn, rows).double().softmax(-1).numpy()
        found, within = tables.with_entropies(0, SPACE.total)
        np.testing.assert_allclose(found, each.mean(0), atol=2e-5)
        np.testing.assert_allclose(within, entropy(each).mean(axis=0), atol=2e-4)


def check_pooling(pooling: Pooling) -> None:
    """What it makes of candidates are probabilities, whatever their order; one candidate's are its own."""
    rng = np.random.default_rng(0)
    owners, table = rng.integers(0, 7, 60), rng.dirichlet(np.ones(CLASSES), 60)
    who, found = pooling(owners, table)
    np.testing.assert_array_equal(who, np.unique(owners))
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-9)
    assert (found >= 0).all()
    order = rng.permutation(60)
    np.testing.assert_allclose(pooling(owners[order], table[order])[1], found, atol=1e-12)
    np.testing.assert_allclose(pooling([0], table[:1])[1], table[:1], atol=1e-9)


def check_backbone(spec: Backbone) -> None:
    """It makes maps of the width that it says, and is its back after its front."""
    network = build_backbone(spec, "random", 3).eval()
    x = torch.rand(1, 3, spec.size, spec.size) - 0.5
    with torch.inference_mode():
        maps = network(x)
        torch.testing.assert_close(network.back(network.front(x)), maps)  # type: ignore[operator]
    assert maps.shape[:2] == (1, spec.features)
    names = [name for name, _ in network.named_modules()]
    assert all(any(name == part or name.startswith(f"{part}.") for name in names) for part in spec.last)
    assert spec.source and spec.licence, "weights have a source and a licence"  # noqa: PT018


def check_section(section: Section, results: Results) -> None:
    """A section that is wanted of these results gives blocks that the page knows."""
    assert section.title
    if section.wanted(results):
        blocks = section.blocks(results)
        assert blocks, "a section that is wanted shows something"
        assert all(isinstance(block, Block) for block in blocks)
        for block in blocks:
            if isinstance(block, Drawing):
                check_drawing(block, results.simulated)


def check_figure(kind: FigureKind, results: Results) -> None:
    """A figure that is wanted of these results is drawn, and each of its drawings keeps `check_drawing`."""
    assert kind.title
    if kind.wanted(results):
        drawn = kind.draw(results)
        assert drawn, "a figure that is wanted is drawn"
        for one in drawn:
            check_drawing(one, results.simulated)


def check_drawing(drawn: Drawing, simulated: bool) -> None:
    """A drawing says what is seen in it, its n, and its interval or why it has none; each of its panels says SIMULATED
    where the results are; no text lies outside the canvas, and no legend on what names or numbers an axis."""
    assert drawn.alt, "alt says what is seen, for who does not see it"
    assert drawn.counted, "counted says of how many patients the figure is"
    assert drawn.interval, "interval says what interval the figure shows, or why none"
    made = drawn.figure
    canvas = FigureCanvasAgg(made)
    canvas.draw()
    page = made.bbox.padded(1)
    for ax in made.axes:
        if ax.has_data() or ax.texts:
            said = any(SIMULATED in text.get_text() for text in ax.texts)
            assert said == simulated, "each panel says SIMULATED where the results are, and only there"
    for text, box in boxes_of(made):
        inside = page.x0 <= box.x0 and page.y0 <= box.y0 and box.x1 <= page.x1 and box.y1 <= page.y1
        assert inside, f"{text!r} lies outside the canvas"
    for legend in made.findobj(Legend):
        own = legend.get_window_extent().padded(-1)
        for text, box in boxes_of(made, axes_only=True):
            assert not own.overlaps(box), f"a legend lies on {text!r}"


def boxes_of(made: Figure, axes_only: bool = False) -> list[tuple[str, BboxBase]]:
    """The texts of a drawn figure that can be seen, and where each lies; `axes_only`, titles, names and numbers of
    axes."""
    found: list[Text] = []
    for ax in made.axes:
        found += [ax.title, *ax.findobj(Text, include_self=False)] if not axes_only else []
        if not ax.axison:
            continue
        found += [ax.xaxis.label, ax.yaxis.label]
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            shown = zip(axis.get_majorticklabels(), axis.get_majorticklocs(), strict=False)
            found += [label for label, at in shown if low <= at <= high]
    if not axes_only:
        ticks = {id(t) for ax in made.axes for axis in (ax.xaxis, ax.yaxis) for t in axis.get_ticklabels(which="both")}
        found = [text for text in found if id(text) not in ticks] + made.texts
    return [
        (text.get_text(), text.get_window_extent()) for text in found if text.get_visible() and text.get_text().strip()
    ]


def check_recipe(recipe: PlanRecipe) -> None:
    """It says what it is, and is a plan of what it says, whatever the modalities, or a study."""
    assert recipe.about, "the first line of its file, a comment, says what it is"
    if recipe.of_study:
        return
    data = {"modality": [{"name": "A"}, {"name": "B"}], **recipe.data}
    Plan.parse(data, source=recipe.name)


def check_command(command: Command) -> None:
    """It stands in a group of the help, and says what it does."""
    assert command.group in GROUPS
    if isinstance(command.run, Callable):  # type: ignore[arg-type]
        assert (command.run.__doc__ or "").strip(), "a command's docstring is its help"


def known_items(n: int, seed: int = 0) -> Known:
    """What is known of n made-up items: noise [n], probabilities [n, K] and mean entropies of passes [n]."""
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(CLASSES), n).astype(np.float32)
    return Known(rng.random(n), table, (entropy(table) * rng.random(n)).astype(np.float32), 2)


def made_items(n: int = 60, labelled: int = 7, seed: int = 0, patients: int = 60, per_patient: int = 2**62) -> Items:
    """n made-up candidates of two modalities over shared images, some absent, of `patients` patients in turn."""
    rng = np.random.default_rng(seed)
    tables = tuple(rng.normal(size=(12, width)).astype(np.float32) for width in (5, 3))
    tables = tuple(np.concatenate([table, table.mean(axis=0, keepdims=True)]) for table in tables)
    rows = rng.integers(-1, 12, (n + labelled, 2))
    available: NDArray[np.bool_] = np.ones(n, dtype=bool)
    choice = Choosable(np.arange(n) % patients, available, Quotas(per_patient))
    probabilities, stages = rng.dirichlet(np.ones(4), n), rng.integers(0, 4, labelled)
    said_alone = rng.dirichlet(np.ones(4), (2, n))
    return Items(
        np.arange(n) * 3, Embedding(tables, rows[:n]), Embedding(tables, rows[n:]), choice, probabilities, stages, 4,
        alone=lambda: said_alone,
    )  # fmt: skip


def made_round(number: int, **more: float) -> Round:
    """A closed round with made-up counts."""
    spent = Cost(candidates=number + 1, images=number + 1, patients=1, cost=1.0)
    return Round(number, spent, number + 1, number + 1, number + 2, 0, None, 0.5, 10, **more)  # type: ignore[arg-type]
