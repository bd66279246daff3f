"""Which exam to make next: the literal mixture, what says nothing is worth nothing, and expectations that come true."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fibrostage.cohort.pictures import ExamPictures
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.known import KnownPictures, known_from
from fibrostage.learn.lacking import Member
from fibrostage.learn.model import Model, open_model
from fibrostage.learn.next_exam import LEAST_GAIN, expected, next_exams
from fibrostage.learn.predict_cohort import stage_cohort
from fibrostage.learn.shares import StageShares, mean_shares, stage_shares
from fibrostage.learn.soundness import never_certain
from fibrostage.learn.train import train
from fibrostage.networks.fusion import Head
from fibrostage.plan.asking import CostPlan
from fibrostage.plan.run_plan import Plan
from fibrostage.results.staged import staged_table
from fibrostage.stats.calling import Calling
from fibrostage.stats.decisions import Decision
from fibrostage.stats.recalibration import LogisticMap, Recalibration
from tests.conftest import make_source, plan_data

NAMES = ("A", "B", "C")
K = 5
RECALIBRATION = Recalibration(tuple(LogisticMap(0.1 * k, 1.2) for k in range(K - 1)), 50)


def made_head(kind: str, seed: int = 0) -> Head:
    torch.manual_seed(seed)
    head = Head(NAMES, dict.fromkeys(NAMES, 4), K, 6, 2, kind=kind).eval()
    with torch.no_grad():
        for name in NAMES:
            head.stream(name).offset.normal_(0, 0.3)
    return head


LACKS_B = (False, True, False)


def made_member(
    kind: str = "softmax", patients: int = 7, trained: int = 60, seed: int = 0
) -> tuple[Member, NDArray[np.float64]]:
    """A head with shares that rise with the stage, and sums of new patients [P, outputs]; modality C says nothing: its
    shares are its offset."""
    rng, head = np.random.default_rng(seed), made_head(kind, seed)
    outputs, stages = head.link.outputs, rng.integers(0, K, trained)
    signal = np.linspace(-1, 1, outputs) if outputs > 1 else np.ones(1)
    shares = {
        name: size * (stages[:, None] - 2) * signal + rng.normal(0, 0.4, (trained, outputs))
        for name, size in (("A", 0.6), ("B", 0.3))
    }
    shares["B"][:5] = np.nan
    shares["C"] = np.tile(head.stream("C").offset.detach().double().numpy(), (trained, 1))
    kept = stage_shares(stages, shares, {"A": 2.0, "B": 3.0, "C": 1.0}, True)
    sums = rng.normal(0, 0.7, (patients, outputs)) * (signal if outputs > 1 else 1.0)
    return Member(head, Calling(RECALIBRATION, Decision("least_error")), kept), sums


def literal_answer(member: Member, sums: NDArray[np.float64], calling: Calling) -> NDArray[np.float64]:
    """A patient's answer [K] of the sum of shares [outputs], step by step."""
    logits = member.head.link(torch.tensor(sums, dtype=torch.float32)[None])
    pooled = never_certain(torch.softmax(logits.double(), -1).detach().numpy())
    return np.asarray(never_certain(calling.probabilities(pooled))[0])


@pytest.mark.parametrize("kind", ["softmax", "ordinal"])
def test_the_mixture_is_the_literal_one(kind: str) -> None:
    member, sums = made_member(kind)
    assert member.shares is not None
    rng = np.random.default_rng(3)
    said = rng.dirichlet(np.ones(K) * 4, len(sums))  # as other members and candidates may have made it
    belief = rng.dirichlet(np.ones(K) * 4, len(sums))
    decision = Decision("least_error")
    rows, lacking = np.array([1, 4, 6]), np.tile(LACKS_B, (len(sums), 1))
    found = expected([member], [sums], "B", rows, said, belief, lacking, decision)
    without = member.calling_for(LACKS_B)
    assert without is not None, "as learned of patients without B; after the exam the usual one holds"
    offset = member.head.stream("B").offset.detach().double().numpy()
    stages, table = np.array(member.shares.stages), member.shares.values["B"]
    for index, row in enumerate(rows):
        now, called = literal_answer(member, sums[row], without), int(decision(said[row][None])[0])
        whole = np.zeros(3)
        answer, weight = np.zeros(K), 0.0
        for k in range(K):
            mine = [value for stage, value in zip(stages, table, strict=True) if stage == k and value is not None]
            for share in mine:
                after = literal_answer(member, sums[row] - offset + np.array(share), member.calling)
                after = after * said[row] / now
                after = never_certain((after / after.sum())[None])[0]
                then, w = int(decision(after[None])[0]), belief[row, k] / len(mine)
                gained = np.log(after[k] / said[row, k]), abs(called - k) - abs(then - k), then != called
                whole, answer, weight = whole + w * np.array(gained), answer + w * after, weight + w
        assert weight == pytest.approx(1)
        told = found.gain_entropy[index], found.gain_error[index], found.changes[index]
        assert told == pytest.approx(tuple(whole), abs=1e-6)
        assert found.answer[index] == pytest.approx(answer, abs=1e-6)


def test_what_says_nothing_is_worthless_and_who_has_everything_lacks_nothing() -> None:
    member, sums = made_member(trained=200)
    lacking = np.zeros((len(sums), 3), dtype=bool)
    lacking[1:, 1:] = True
    said = np.concatenate([member.answers(sums[:1], (False,) * 3), member.answers(sums[1:], (False, True, True))])
    cost = CostPlan(reading=1.0, exams={"B": 4.0})
    found = next_exams([member, member], [sums, sums], said, lacking, Decision(), cost)
    assert found[0] == ()
    for own in found[1:]:
        assert {one.modality for one in own} == {"B", "C"}
        none = next(one for one in own if one.modality == "C")
        assert (none.gain_entropy, none.gain_error, none.changes) == pytest.approx((0, 0, 0), abs=1e-4)
        assert none.worthless
        assert own[-1] == none, "what is worthless comes last"
        other = own[0]
        assert other.cost == pytest.approx(4 + 3), "an exam, and a reading of each of its three pictures"
        assert other.per_cost == pytest.approx(other.gain_entropy / 7)
        assert other.worthless == (other.gain_entropy < LEAST_GAIN)
        assert none.cost == pytest.approx(1)
    assert any(not own[0].worthless for own in found[1:])


def test_a_modality_of_too_few_stages_is_not_judged() -> None:
    member, sums = made_member()
    kept = member.shares
    assert kept is not None
    upper = tuple(row if stage > 1 else None for stage, row in zip(kept.stages, kept.values["B"], strict=True))
    blind = Member(member.head, member.calling, replace(kept, values={**kept.values, "B": upper}))
    said, lacking = blind.answers(sums, LACKS_B), np.tile(LACKS_B, (len(sums), 1))
    for own in next_exams([blind], [sums], said, lacking, Decision(), CostPlan()):
        (one,) = own
        assert one.worthless
        assert (one.gain_entropy, one.changes, one.per_cost) == (0, 0, None)


def test_cheaper_exams_come_first_and_free_ones_before_all() -> None:
    member, sums = made_member(trained=200, patients=3)
    kept = member.shares
    assert kept is not None
    same = replace(kept, values={**kept.values, "C": kept.values["A"], "B": kept.values["A"]}, pictures={})
    with torch.no_grad():
        for name in NAMES:
            member.head.stream(name).offset.zero_()
    twice = Member(member.head, member.calling, same)
    lacking, said = np.tile([False, True, True], (3, 1)), twice.answers(sums, (False, True, True))
    for exams, first in (({"B": 2.0, "C": 1.0}, "C"), ({"B": 1.0, "C": 2.0}, "B"), ({"B": 1.0}, "C")):
        for own in next_exams([twice], [sums], said, lacking, Decision(), CostPlan(exams=exams)):
            assert not own[0].worthless
            assert own[0].modality == first


def test_of_a_calibrated_network_the_mean_answer_is_the_answer_now() -> None:
    """Independent modalities whose shares are the logarithms of their likelihoods: Bayes' rule, and a martingale."""
    rng, head = np.random.default_rng(5), made_head("softmax")
    with torch.no_grad():
        for name in NAMES:
            head.stream(name).offset.zero_()
    means = np.linspace(-1.5, 1.5, K)

    def likelihoods(stages: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(-((rng.normal(means[stages])[:, None] - means) ** 2) / 2)

    stages = np.repeat(np.arange(K), 2000)
    shares = {name: likelihoods(stages) for name in NAMES}
    member, sums = Member(head, Calling(), stage_shares(stages, shares, {}, True)), likelihoods(rng.integers(0, K, 20))
    said, lacking = member.answers(sums, LACKS_B), np.tile(LACKS_B, (20, 1))
    found = expected([member], [sums], "B", np.arange(20), said, said, lacking, Decision())
    assert np.abs(found.answer - said).sum(axis=1).max() / 2 < 0.01
    after = member.answers(sums[:, None] + shares["B"], (False,) * 3)
    drop = -(said * np.log(said)).sum(axis=1)
    weights = said[:, stages] / 2000
    drop -= (weights * -(after * np.log(after)).sum(axis=-1)).sum(axis=1)
    assert found.gain_entropy == pytest.approx(drop, abs=0.02), "then the gain is the entropy's fall"


def test_mean_shares_are_of_each_patients_own_pictures() -> None:
    head, rng = made_head("softmax"), np.random.default_rng(1)
    owners = {"A": np.array([0, 0, 2, 3, 3, 3]), "B": np.array([1, 2]), "C": np.array([0])}
    features = {
        name: torch.from_numpy(rng.normal(size=(len(own), 4)).astype(np.float32)) for name, own in owners.items()
    }
    patients = np.array([3, 0, 1])
    found = mean_shares(head, features, owners, patients)
    with torch.inference_mode():
        tables = {name: head.stream(name)(features[name]).double().numpy() for name in NAMES}
    for name in NAMES:
        for at, patient in enumerate(patients):
            own = tables[name][owners[name] == patient]
            if len(own):
                assert found[name][at] == pytest.approx(own.mean(axis=0))
            else:
                assert np.isnan(found[name][at]).all()


def test_shares_survive_the_models_file_and_older_files_have_none() -> None:
    shares = StageShares((0, 2), {"A": ((0.5, 1.0), None), "B": ((1.0, -2.5), (0.25, 0.0))}, {"A": 1.5}, True)
    known = KnownPictures({"A": 0.5}, {"A": ()}, {"A": {}}, shares=shares)
    assert known_from(known.canonical()) == known
    told = json.loads(known.canonical())
    del told["shares"]
    assert known_from(json.dumps(told)).shares is None
    told["shares"] = {**shares.as_dict(), "stages": [0]}
    with pytest.raises(RunError, match="damaged"):
        known_from(json.dumps(told))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Fifty patients with everything."""
    folder = tmp_path_factory.mktemp("whole")
    return take_in(make_source(folder / "source", 50, ()), folder / "cohort", Plan.parse(plan_data()))


@pytest.fixture(scope="module")
def trained(whole: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Model:
    data = {**plan_data(), "cost": {"missing_exam": 2.0}}
    sets = ["calibration.folds=3", "calibration.penalties=[0.1]", "training.epochs=12"]
    run = tmp_path_factory.mktemp("next") / "run"
    train(whole, Plan.parse(data, sets), run)
    return open_model(run)


def with_lste_alone(cohort: Cohort, patients: int) -> ExamPictures:
    """The first patients of a cohort, of whom only the first has a LUS picture."""
    own = cohort.owners("LSTE") < patients
    arrays = {"LSTE": np.array(cohort.pixels("LSTE")[own]), "LUS": np.array(cohort.pixels("LUS")[:1])}
    rows = {"LSTE": cohort.owners("LSTE")[own], "LUS": np.array([0])}
    return ExamPictures(cohort.patient_ids[:patients], cohort.modalities, arrays, rows)


def test_a_model_keeps_shares_of_patients_it_had_not_seen(whole: Cohort, trained: Model) -> None:
    (known,) = trained.known
    assert known.shares is not None
    assert known.shares.unseen
    assert len(known.shares.stages) == 40
    assert known.shares.pictures == {"LSTE": 2.0, "LUS": 3.0}
    assert list(known.shares.stages) == sorted(known.shares.stages), "in no order of the patients"
    assert not any(patient in known.canonical() for patient in whole.patient_ids)


def test_a_model_says_what_to_examine_next(whole: Cohort, trained: Model) -> None:
    pictures = with_lste_alone(whole, 6)
    plain, asked = trained.stage(pictures), trained.stage(pictures, next_exam=True)
    for before, after in zip(plain, asked, strict=True):
        assert before.next_exams is None
        assert "next_exams" not in before.as_dict(trained.staging)
        assert replace(after, next_exams=None) == before, "nothing else is said otherwise"
    assert asked[0].next_exams == ()
    for one in asked[1:]:
        (exam,) = one.next_exams or ()
        assert (exam.modality, exam.cost, exam.unseen) == ("LUS", 2.0, True)
        assert 0 <= exam.changes <= 1
        assert one.next_exam == ("" if exam.worthless else "LUS")
        told = one.as_dict(trained.staging)["next_exams"]
        assert told == [exam.as_dict()]


def test_the_table_has_the_exam_where_it_was_asked_for(cohort: Cohort, trained: Model) -> None:
    found = stage_cohort(trained, cohort, next_exam=True)
    unasked = [replace(one, next_exams=None) for one in found.staged]
    assert "next_exam" not in staged_table(unasked, found.staging).columns
    lacking = [one.patient_id for one in found.staged if one.next_exams]
    assert lacking == ["P003"]
    named = dict(found.table().select("patient_id", "next_exam").iter_rows())
    assert {patient for patient, exam in named.items() if exam} <= {"P003"}


def test_a_model_that_kept_nothing_says_so(whole: Cohort, trained: Model) -> None:
    old = replace(trained, known=tuple(replace(one, shares=None) for one in trained.known))
    with pytest.raises(RunError, match="train it again"):
        old.stage(with_lste_alone(whole, 3), next_exam=True)


def test_without_cross_fits_shares_are_those_that_were_fitted(cohort: Cohort, tmp_path: Path) -> None:
    train(cohort, Plan.parse(plan_data()), tmp_path / "run")
    (known,) = open_model(tmp_path / "run").known
    assert known.shares is not None
    assert not known.shares.unseen, "sixteen patients are too few for cross-fits"
    staged = open_model(tmp_path / "run").stage(cohort, next_exam=True)
    assert [exam.unseen for one in staged for exam in one.next_exams or ()] == [False]


def test_costs_are_of_modalities_that_there_are() -> None:
    with pytest.raises(PlanError, match="cost.exams names 'LSTEE', did you mean 'LSTE'"):
        Plan.parse({**plan_data(), "cost": {"exams": {"LSTEE": 1.0}}})
    plan = CostPlan(missing_exam=2.0, exams={"LUS": 5.0})
    assert (plan.exam("LUS"), plan.exam("LSTE")) == (5.0, 2.0)
