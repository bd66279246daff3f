"""How the patients and pictures of a cohort differ from those that a model was trained on.

A model keeps which devices made its training pictures, how these were judged, how far they lie from one another and the
stages of its patients; what is known of the patients themselves is compared where their cohort is at hand. Every line
is judged by a 95 % interval over patients, so that one line in twenty differs by chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.store import Cohort
from fibrostage.cohort.tables import GOOD
from fibrostage.ground.errors import StatisticsError
from fibrostage.learn.known import UNJUDGED
from fibrostage.learn.model import Model
from fibrostage.results.staged import Staged
from fibrostage.results.validation import DriftLine
from fibrostage.stats.balance import smd_with_interval
from fibrostage.stats.clustered import clustered_mean, clustered_share
from fibrostage.stats.estimate import Estimate, wilson

SMALL = 0.1  # a standardised difference that is not worth a line's warning (Austin 2009)
LEFT = ("patient_id", "stage", "origin", "excluded")


def drift_of(
    model: Model, cohort: Cohort, staged: Sequence[Staged], stages: NDArray[np.int64], training: Cohort | None
) -> tuple[DriftLine, ...]:
    """Everything that can be compared: devices, quality and features by modality, stages [n] of the patients who were
    staged, and with `training` the patients' table."""
    lines: list[DriftLine] = []
    for name in model.plan.pictured:
        lines += [*devices(model, cohort, name), *quality(model, cohort, name), *features(model, staged, name)]
    lines += mix(model, stages)
    if training is not None:
        lines += patients(training, cohort)
    return tuple(lines)


def devices(model: Model, cohort: Cohort, modality: str) -> Iterator[DriftLine]:
    """The share of pictures from a device that made no training picture."""
    known = {device for one in model.known for device in one.devices.get(modality, ())}
    made = cohort.images_of(modality).select("patient_id", "device").drop_nulls("device")
    if not known or not len(made):
        return
    new = [device not in known for device in made["device"]]
    share = clustered_share(new, np.ones(len(new)), made["patient_id"].to_list())
    yield DriftLine(
        what=f"{modality}: pictures of devices that training did not see",
        there=", ".join(sorted(known)),
        here=", ".join(sorted(set(made["device"].to_list()))),
        figure=share,
        n=len(new),
        differs=any(new),
    )


def quality(model: Model, cohort: Cohort, modality: str) -> Iterator[DriftLine]:
    """The share of pictures that are not good, against training's."""
    counts: Counter[str] = Counter()
    for one in model.known:
        counts.update(one.quality.get(modality, {}))
    counts.pop(UNJUDGED, None)
    judged = cohort.images_of(modality).select("patient_id", "quality").drop_nulls("quality")
    if not counts or not len(judged):
        return
    there = 1 - counts[GOOD] / counts.total()
    poor = [quality != GOOD for quality in judged["quality"]]
    share = clustered_share(poor, np.ones(len(poor)), judged["patient_id"].to_list())
    yield DriftLine(
        what=f"{modality}: pictures of poor quality",
        there=f"{there:.3f}",
        here=f"{np.mean(poor):.3f}",
        figure=share,
        n=len(poor),
        differs=outside(there, share),
    )


def features(model: Model, staged: Sequence[Staged], modality: str) -> Iterator[DriftLine]:
    """How much of training lies at least as far from the rest as a picture of these does: a half on average where
    nothing differs. Of several networks each picture has its largest, so that only a lower mean tells a difference."""
    seen = [(one.patient_id, each) for one in staged for each in one.seen if each.modality == modality]
    told = [(patient, each.strange) for patient, each in seen if each.strange is not None]
    if not told:
        return
    values = np.array([strange for _, strange in told], dtype=np.float64)
    mean = clustered_mean(values, np.ones(len(told)), [patient for patient, _ in told])
    far = float(np.mean([each.far for _, each in seen]))
    yield DriftLine(
        what=f"{modality}: training pictures that lie as far out as these, by their features",
        there="0.500",
        here=f"{values.mean():.3f}; {far:.1%} far outside",
        figure=mean,
        n=len(told),
        differs=mean.hi is not None and mean.hi < 0.5,
    )


def mix(model: Model, stages: NDArray[np.int64]) -> Iterator[DriftLine]:
    """The share of patients at or above each cut, of those who were staged with stages [n], against training's."""
    kept = next((one.shares for one in model.known if one.shares is not None), None)
    if kept is None or not kept.stages or not len(stages):
        return
    staging, there = model.staging, np.array(kept.stages)
    for cut in staging.cuts:
        at = staging.threshold(cut)
        share = wilson(int((stages >= at).sum()), len(stages))
        before = float((there >= at).mean())
        yield DriftLine(
            what=f"patients at {staging.cut_name(cut)}",
            there=f"{before:.3f}",
            here=f"{(stages >= at).mean():.3f}",
            figure=share,
            n=len(stages),
            differs=outside(before, share),
        )


def patients(training: Cohort, cohort: Cohort) -> Iterator[DriftLine]:
    """What both tables have of their patients, by its standardised mean difference (Austin 2009, Stat Med 28:3083)."""
    for name in training.patients.columns:
        if name in LEFT or name not in cohort.patients.columns:
            continue
        there, here = (one.patients[name].drop_nulls() for one in (training, cohort))
        if there.dtype.is_numeric() and here.dtype.is_numeric():
            yield from line_of(name, there.cast(pl.Float64), here.cast(pl.Float64))
        elif name == "sex":
            for value in sorted(set(there) & set(here))[:1]:
                yield from line_of(f"sex {value}", (there == value).cast(pl.Float64), (here == value).cast(pl.Float64))


def line_of(name: str, there: pl.Series, here: pl.Series) -> Iterator[DriftLine]:
    """One column's standardised mean difference; nothing where there is no spread or are too few."""
    try:
        figure = smd_with_interval(there.to_numpy(), here.to_numpy())
    except StatisticsError:
        return
    told = [
        f"{np.mean(one):.3g} ± {np.std(one, ddof=1):.3g} (n = {len(one)})"
        for one in (there.to_numpy(), here.to_numpy())
    ]
    large = figure.value is not None and abs(figure.value) > SMALL
    yield DriftLine(
        what=f"{name}: standardised mean difference",
        there=told[0],
        here=told[1],
        figure=figure,
        n=len(here),
        differs=large and outside(0.0, figure),
    )


def outside(value: float, figure: Estimate) -> bool:
    """Whether a value lies outside a figure's interval."""
    return figure.lo is not None and figure.hi is not None and not figure.lo <= value <= figure.hi
