"""Factorised scoring against the literal, per-candidate softmax; units, blocks, cores, and what must not overflow."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fibrostage.active.logit_tables import PoolTables, build_tables
from fibrostage.active.pool import Pool
from fibrostage.active.pool_scoring import Scorer, scored, tables_for, unit_scores
from fibrostage.active.strategies import STRATEGIES, esd
from fibrostage.active.strategies.spec import Strategy, entropy
from fibrostage.active.top_items import Best
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.networks.fusion import Head

NAMES = ("a", "b", "c", "d")
ESD = Scorer(esd.STRATEGY, 0, 1)


def make_space(seed: int, modalities: int, keep: bool = True) -> CandidateSpace:
    rng = np.random.default_rng(seed)
    return CandidateSpace(NAMES[:modalities], rng.integers(0, 4, (7, modalities)), keep)


def make_tables(
    space: CandidateSpace, passes: int, seed: int = 0, scale: float = 1.0, ordinal: bool = False
) -> tuple[PoolTables, Head, dict[str, torch.Tensor], NDArray[np.float64]]:
    """Tables of a random head, and the literal mean probabilities of every candidate [total, K]."""
    torch.manual_seed(seed)
    widths = dict.fromkeys(space.modalities, 12)
    head = Head(space.modalities, widths, 5, reduce=8, se_reduction=2, kind="ordinal" if ordinal else "softmax")
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(0, scale)
    features = {name: torch.randn(int(space.counts[:, k].sum()), 12) for k, name in enumerate(space.modalities)}
    tables = build_tables(head, features, space, passes, np.random.default_rng(seed) if passes > 1 else None)
    rows = torch.from_numpy(space.decode(np.arange(space.total)))
    with torch.no_grad():
        if passes > 1:
            literal = head.passes(features, head.masks(passes, np.random.default_rng(seed)))
        else:
            literal = {name: table[None] for name, table in head.tables(features).items()}
        each = head.fuse(literal, rows).double().softmax(-1)
    mean = each.mean(0).numpy()
    tables_entropies[id(tables)] = entropy(each.numpy()).mean(axis=0)
    return tables, head, features, mean


tables_entropies: dict[int, NDArray[np.float64]] = {}  # the literal mean of each pass's entropy, by tables


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 4), st.sampled_from([1, 2, 8, 20, 33]), st.booleans(), st.booleans())
def test_probabilities_are_the_literal_ones(seed: int, modalities: int, passes: int, keep: bool, ordinal: bool) -> None:
    space = make_space(seed, modalities, keep)
    if not space.total:
        return
    tables, _, _, mean = make_tables(space, passes, seed, ordinal=ordinal)
    np.testing.assert_allclose(tables.probabilities(0, space.total), mean, atol=1e-5)
    probabilities, entropies = tables.with_entropies(0, space.total)
    np.testing.assert_array_equal(probabilities, tables.probabilities(0, space.total))
    np.testing.assert_allclose(entropies, tables_entropies.pop(id(tables)), atol=2e-5)
    cut = space.total // 3
    np.testing.assert_array_equal(
        np.concatenate([tables.probabilities(0, cut), tables.probabilities(cut, space.total)]),
        tables.probabilities(0, space.total),
    )


def test_images_that_contradict_one_another_utterly_do_not_underflow() -> None:
    space = CandidateSpace(("a", "b"), np.full((3, 2), 3))
    tables, head, features, mean = make_tables(space, 20, scale=60.0)
    within = tables.with_entropies(0, space.total)[1]
    np.testing.assert_allclose(within, tables_entropies.pop(id(tables)), atol=2e-5)
    with torch.no_grad():
        spread = max(float((t[..., :].max(-1).values - t.min(-1).values).max()) for t in head.tables(features).values())
    assert spread > 1000, "float32 has no word for the exponential of such a difference"
    found = tables.probabilities(0, space.total)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, mean, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_features_of_half_the_precision_move_scores_no_further_than_stated() -> None:
    """bfloat16 keeps 8 bits: with features rounded to it, mean probabilities move by less than 0.02."""
    space = CandidateSpace(("a", "b"), np.full((20, 2), 4))
    tables, head, features, _ = make_tables(space, 20, scale=0.3)
    rounded = {name: z.bfloat16().float() for name, z in features.items()}
    half = build_tables(head, rounded, space, 20, np.random.default_rng(0))
    apart = np.abs(half.probabilities(0, space.total) - tables.probabilities(0, space.total)).max()
    assert 0 < apart < 0.02


@pytest.mark.parametrize("cores", [1, 3])
def test_the_answer_knows_neither_blocks_nor_cores(cores: int) -> None:
    space = CandidateSpace(("a", "b"), np.full((9, 2), 6))
    tables, _, _, mean = make_tables(space, 8)
    labelled = np.array([3, 40, 41, 200])
    pool = Pool(space, np.array([0, 1, 2, 5, 6]), labelled)
    ids = np.concatenate(list(pool.blocks()))
    expected = entropy(mean)[ids]
    for size in (5, 36, 10_000):
        best = Best(7)
        seen = []
        for found, scores, guesses in scored(tables, pool, ESD, None, size, cores, guess=True):
            assert guesses is not None
            assert (mean[found, guesses] >= mean[found].max(axis=1) - 1e-5).all()
            seen.append(found)
            np.testing.assert_allclose(scores, expected[np.searchsorted(ids, found)], atol=1e-5)
            best.add(found, scores)
        assert np.concatenate(seen).tolist() == ids.tolist()
        pruned = Best(7)
        for found, scores, _ in scored(tables, pool, ESD, pruned, size, cores):
            pruned.add(found, scores)
        assert pruned.ids().tolist() == best.ids().tolist()


class Fixed:
    """As much of a learner as scoring needs."""

    def __init__(self, space: CandidateSpace, head: Head, features: dict[str, torch.Tensor]) -> None:
        self.space, self.head, self.features = space, head, features


@pytest.mark.parametrize("name", [each.name for each in STRATEGIES if isinstance(each, Strategy)])
def test_images_and_patients_are_scored_in_the_same_pass(name: str) -> None:
    space = make_space(5, 3)
    _, head, features, _ = make_tables(space, 6)
    pool = Pool(space, np.flatnonzero(space.per_patient > 0), np.array([1, 2]))
    learner = Fixed(space, head, features)
    strategy = STRATEGIES[name]
    assert isinstance(strategy, Strategy)
    images, patients = unit_scores(learner, pool, Scorer(strategy, 0, 1), 6)  # type: ignore[arg-type]
    tables = tables_for(learner, strategy, 6, 0, 1)  # type: ignore[arg-type]
    parts = list(scored(tables, pool, Scorer(strategy, 0, 1)))
    ids, scores = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    rows, owners = space.decode(ids), space.patient_of(ids)
    for column, modality in enumerate(space.modalities):
        unit = images[modality]
        assert len(unit.count) == len(features[modality])
        for image in range(len(unit.count)):
            own = scores[rows[:, column] == image]
            assert unit.count[image] == len(own)
            if len(own):
                assert unit.mean[image] == pytest.approx(own.mean())
                assert unit.largest[image] == own.max()
    for patient in range(7):
        own = scores[owners == patient]
        assert patients.count[patient] == len(own)
        if len(own):
            assert patients.mean[patient] == pytest.approx(own.mean())
            assert patients.largest[patient] == own.max()
