"""`bench oracle`: how far could any choice of patients get? Choices made with the labels in hand, which no clinic has.

Both look ahead: they know the true stages of every training patient, and take whoever, learned from next, lets the
training pool's other patients be told best. Test patients never choose anything. They live here and not among the
strategies, so no plan can name them and no campaign can be run by them.

- **look-ahead** goes patient by patient. Ridge regression of the stages on the frozen features (a Gaussian process
  with a linear kernel) says exactly, without a fit, what one more label would do to everybody's residual: with
  posterior mean f, covariance C and noise λ, label i moves f_j to f_j + C_ji (y_i − f_i) / (C_ii + λ). Every candidate
  is tried at every step. Whoever is learned from is judged by the residual left out, (y_j − f_j) / (1 − C_jj / λ).
- **trial fits** tries random groups of patients with the network's own head and keeps the group whose fit tells the
  rest of the pool with the least log loss.

Neither is the best choice there is, which nobody can compute: they are what labels in hand reached, a lower bound of
what is possible.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage.active.embedded_pool import Items, patient_means
from fibrostage.active.strategies.spec import BatchStrategy
from fibrostage.bench.curves import CurvesFound, Way, check_starts, compared, curves_tables, plan_of_way, play_ways
from fibrostage.campaign.setting import NOBODY, CampaignSetting
from fibrostage.cohort.store import Cohort
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.fit_head import Examples, head_loss
from fibrostage.learn.learner import Learner, make_learner
from fibrostage.learn.task import make_task

Floats = NDArray[np.float64]
RAND, LOOK_AHEAD, TRIAL_FITS = "RAND", "look-ahead", "trial fits"
USUAL: dict[str, object] = {
    "active": {
        "start": "stratified",
        "shares": [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0],
        "epochs": 15,
        "strategy": "random",
        "unit": "patient",
    },
}
NOISES = 10.0 ** np.arange(-2.0, 3.1, 0.5)  # λ, in units of the patients' mean variance
STEPS = 3  # of a query, by trial fits
TRIES = 8  # groups tried in each
TRIED = 500  # candidates that a step of the look-ahead tries, at most: of more, as many drawn at random


def bench_oracle(
    cohort: Cohort,
    starts: int = 2,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    progress: Progress = SILENT,
) -> CurvesFound:
    """RAND beside both choices with labels in hand, from the same starts on every fold; with `out`, runs are kept there
    and not played again.

    Raises `PlanError` where the plan trains the backbone or does not ask for patients, or starts cannot be paired.
    """
    ways = [
        Way(RAND, tuple(overrides)),
        Way(LOOK_AHEAD, tuple(overrides), look_ahead),
        Way(TRIAL_FITS, tuple(overrides), trial_fits),
    ]
    plan = plan_of_way(cohort, USUAL, ways[0], 0, 0)
    if plan.training.finetune != "head":
        raise PlanError(
            f'training.finetune = "{plan.training.finetune}": thousands of fits are tried, on frozen features alone; '
            'leave it "head"'
        )
    if plan.active.unit != "patient" or plan.active.strategy != "random":
        raise PlanError("bench oracle chooses patients, beside RAND; leave active.unit and active.strategy as they are")
    check_starts(plan, starts)
    task = make_task(cohort, plan)
    with tempfile.TemporaryDirectory(prefix="fibrostage-") as scratch:
        where = Path(scratch) if out is None else out
        played = play_ways(cohort, USUAL, ways, range(starts), range(len(task.folds)), where, progress)
        budgets = compared(cohort, played, plan.evaluation.bootstrap)
    title = (
        f"{cohort.name}: choices with the labels in hand, {len(task.folds)} folds × {starts} starts, frozen features"
    )
    return CurvesFound(title, cohort.simulated, cohort.caveats, curves_tables(budgets, RAND))


def look_ahead(setting: CampaignSetting) -> BatchStrategy:
    """Chooses patient by patient by ridge regression's exact look-ahead over the training pool."""
    found = Ridge.of(setting)

    def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
        patients = setting.units.patient_of(items.ids)
        ahead = found.having(np.setdiff1d(setting.askable, patients))
        chosen: list[int] = []
        while len(chosen) < count and items.quota.available.any():
            losses = np.full(len(patients), np.inf)
            free = np.flatnonzero(items.quota.available)
            free = free if len(free) <= TRIED else np.sort(rng.choice(free, TRIED, replace=False))
            losses[free] = ahead.losses(found.positions(patients[free]))
            position = int(losses.argmin())
            ahead.learn(int(found.positions(patients[position : position + 1])[0]))
            chosen.append(items.take(position))
        return chosen

    return BatchStrategy("look_ahead", LOOK_AHEAD, select)


@dataclass(frozen=True)
class Ridge:
    """The training pool as ridge regression sees it: `patients` [n] (rows, ascending), their `kernel` [n, n], what is
    to be told `wanted` [n, K] (stages as 0 and 1, less their mean), and the `noise` λ."""

    patients: NDArray[np.int64]
    kernel: Floats
    wanted: Floats
    noise: float

    @classmethod
    def of(cls, setting: CampaignSetting) -> Ridge:
        """The pool of a campaign, on its frozen features; λ is what tells all patients, each left out, best."""
        learner = learner_of(setting)
        tables = tuple(with_mean(learner.features[name].numpy()) for name in learner.head.modalities)
        means = patient_means(tables, setting.task.space.counts)
        points = np.concatenate([table[setting.askable] for table in means], axis=1).astype(np.float64)
        stages = setting.cohort.stages[setting.askable]
        wanted = np.eye(len(setting.cohort.staging.classes))[stages]
        return cls.from_points(setting.askable, points, wanted - wanted.mean(axis=0))

    @classmethod
    def from_points(cls, patients: NDArray[np.int64], points: Floats, wanted: Floats) -> Ridge:
        """Of points [n, D]; the kernel is scaled so that its mean diagonal is 1."""
        centred = points - points.mean(axis=0)
        kernel = centred @ centred.T
        kernel /= np.trace(kernel) / len(kernel)
        everybody = np.arange(len(kernel))
        losses = [LookAhead.after(kernel, wanted, noise, everybody).loss() for noise in NOISES]
        return cls(patients, kernel, wanted, float(NOISES[int(np.argmin(losses))]))

    def positions(self, patients: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where patients' rows [p] stand in the pool [p]."""
        return np.searchsorted(self.patients, patients)

    def having(self, learned: NDArray[np.int64]) -> LookAhead:
        """What is said once the patients `learned` (rows [L]) have been learned from."""
        return LookAhead.after(self.kernel, self.wanted, self.noise, self.positions(learned))


@dataclass
class LookAhead:
    """The posterior over n patients: `said` f [n, K], `covariance` C [n, n], and who is `learned` [n]."""

    said: Floats
    covariance: Floats
    wanted: Floats
    noise: float
    learned: NDArray[np.bool_]

    @classmethod
    def after(cls, kernel: Floats, wanted: Floats, noise: float, learned: NDArray[np.int64]) -> LookAhead:
        """The posterior after the labels of positions `learned` [L]."""
        own = kernel[:, learned]
        solved = np.linalg.solve(kernel[np.ix_(learned, learned)] + noise * np.eye(len(learned)), own.T)
        mask = np.zeros(len(kernel), dtype=bool)
        mask[learned] = True
        return cls(solved.T @ wanted[learned], kernel - own @ solved, wanted, noise, mask)

    def residuals(self, said: Floats, variance: Floats) -> Floats:
        """How far off each patient is told by the others alone, [n, …, K], from f and C_jj; of whoever is not learned
        from, that is by all who are."""
        apart = self.wanted.reshape(len(self.wanted), *(1,) * (said.ndim - 2), -1) - said
        left_out = 1 - variance / self.noise
        return apart / np.where(self.learned.reshape(-1, *(1,) * (variance.ndim - 1)), left_out, 1.0)[..., None]

    def loss(self) -> float:
        """The mean squared residual of all patients."""
        return float((self.residuals(self.said, np.diag(self.covariance)) ** 2).sum(axis=-1).mean())

    def losses(self, candidates: NDArray[np.int64]) -> Floats:
        """That loss [c] after each of `candidates` [c], none of them learned from, would be.

        The candidate's own residual stays what it is now: it is told by the others alone either way.
        """
        reach = self.covariance[:, candidates]  # [n, c]
        spread = np.diag(self.covariance)[candidates] + self.noise
        step = (self.wanted - self.said)[candidates] / spread[:, None]  # [c, K]
        variance = np.diag(self.covariance)[:, None] - reach**2 / spread
        squares = (self.residuals(self.said[:, None] + reach[..., None] * step, variance) ** 2).sum(axis=-1)
        now = ((self.wanted - self.said)[candidates] ** 2).sum(axis=-1)
        squares[candidates, np.arange(len(candidates))] = now
        return np.asarray(squares.mean(axis=0))

    def learn(self, position: int) -> None:
        """Takes the label of a position."""
        reach = self.covariance[:, position].copy()
        spread = reach[position] + self.noise
        self.said = self.said + np.outer(reach, (self.wanted - self.said)[position] / spread)
        self.covariance = self.covariance - np.outer(reach, reach) / spread
        self.learned[position] = True


def with_mean(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """A table [images, D] with the mean of its images at the end."""
    return np.concatenate([table, table.mean(axis=0, keepdims=True)]).astype(np.float32)


def learner_of(setting: CampaignSetting) -> Learner:
    """A model of a campaign's patients, apart from the campaign's own."""
    return make_learner(setting.cohort, setting.plan, setting.task.space, setting.patients, setting.plan.seed)


def trial_fits(setting: CampaignSetting) -> BatchStrategy:
    """Chooses by the network's own fits: of random groups, in a few steps a query, the one that lets the rest of the
    pool be told best."""
    learner = learner_of(setting)

    def told(patients: NDArray[np.int64]) -> Examples:
        items = setting.units.offsets[patients]
        return setting.units.examples(items, setting.cohort.stages[patients], setting.plan.seed)

    def select(items: Items, count: int, _rng: np.random.Generator) -> list[int]:
        patients = setting.units.patient_of(items.ids)
        learned = np.setdiff1d(setting.askable, patients)
        rng = Draws.LABELS_IN_HAND.of(setting.plan.seed, len(learned))
        chosen: list[int] = []
        if count >= len(patients):
            return [items.take(position) for position in range(len(patients))]
        learner.fit(told(learned), setting.plan.seed)
        for step in np.array_split(np.arange(count), min(STEPS, count)):
            begun = learner_state(learner)
            best: tuple[float, NDArray[np.int64], dict[str, torch.Tensor]] = (np.inf, NOBODY, {})
            free = np.setdiff1d(np.arange(len(patients)), chosen)
            for _ in range(TRIES):
                group = rng.choice(free, len(step), replace=False)
                taken = patients[np.concatenate([np.array(chosen, dtype=np.int64), group])]
                rest = np.setdiff1d(patients, taken)
                learner.restore(begun)
                learner.fit(told(np.union1d(learned, taken)), setting.plan.seed, epochs=setting.plan.active.epochs)
                loss = loss_of(learner, told(rest)) if len(rest) else 0.0
                if loss < best[0]:
                    best = loss, group, learner_state(learner)
            learner.restore(best[2])
            chosen += [items.take(int(position)) for position in best[1]]
        return chosen

    return BatchStrategy("trial_fits", TRIAL_FITS, select)


def learner_state(learner: Learner) -> dict[str, torch.Tensor]:
    """A copy of what a learner has learned, by parameter name."""
    return {name: tensor.clone() for name, tensor in learner.state().items()}


def loss_of(learner: Learner, examples: Examples) -> float:
    """The mean log loss of examples."""
    return head_loss(learner.head, learner.features, examples, "cross_entropy")
