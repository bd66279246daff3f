"""A run or a study in one paragraph of plain words, at most five sentences, with its main figures, n and intervals."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fibrostage.active.strategy_expression import title_of
from fibrostage.analysis.judged import Judged
from fibrostage.analysis.label_efficiency import RANDOM
from fibrostage.analysis.networks_and_markers import NETWORK
from fibrostage.analysis.operating_points import YOUDEN, points_of
from fibrostage.analysis.stage_matrix import StageMatrix
from fibrostage.ground.lists import and_
from fibrostage.ground.stage import Staging
from fibrostage.results.estimate_columns import Row, estimate_in, figure_in, number, text, whole
from fibrostage.results.predictions import TEST
from fibrostage.stats.auc import auc_or_why
from fibrostage.stats.estimate import Estimate
from fibrostage.views.table import p_text, short_text, signed_short

SURE = 0.05  # an adjusted p below it is no chance finding
AREA = "aulc"


def summary(
    judged: Sequence[Judged],
    matrices: Sequence[StageMatrix],
    staging: Staging,
    confidence: float,
    how: str,
    compared: pl.DataFrame | None = None,
    bought: pl.DataFrame | None = None,
    whose: str = "",
) -> list[str]:
    """Sentences on the first network, called `whose` where its own name does not tell: who was tested (`how`) and how
    well cuts are told apart, at what threshold, how well stages are called, and the best supported of its comparisons:
    with the methods of a table of comparisons, and of its ways of asking in what labels `bought`."""
    own = [one for one in judged if one.kind == NETWORK and one.method == judged[0].method]
    first, matrix = own[0], next((one for one in matrices if one.method == judged[0].method), None)
    areas = {one.cut: auc_or_why(one.positive, one.score, confidence) for one in own}
    lines = [main_sentence(own, areas, staging, confidence, how, whose or named(first.method))]
    told = [one for one in own if areas[one.cut].value is not None]
    if told:
        lines.append(threshold_sentence(told[0], staging, confidence))
    if matrix is not None:
        lines.append(calls_sentence(matrix))
    if told and compared is not None:
        lines.append(against_others(compared, told[0], staging))
    if bought is not None:
        lines.append(against_random(bought, first.method))
    return [line for line in lines if line]


def main_sentence(
    own: Sequence[Judged], areas: dict[str, Estimate], staging: Staging, confidence: float, how: str, whose: str
) -> str:
    """Who was tested, and the AUC at each cut or why there is none."""
    parts = [
        f"{staging.cut_name(one.cut)} with an AUC of {figure(areas[one.cut])} ({one.positives} of {len(one)} have it)"
        for one in own
        if areas[one.cut].value is not None
    ]
    whys = [
        f"; {staging.cut_name(one.cut)} cannot be judged ({areas[one.cut].why})"
        for one in own
        if areas[one.cut].value is None
    ]
    tested = f"tested on {len(own[0])} patients {how}"
    if not parts:
        return f"{whose} was {tested}{''.join(whys)}."
    return f"{whose}, {tested}, told {and_(parts)}; intervals are {100 * confidence:g} %{''.join(whys)}."


def threshold_sentence(judged: Judged, staging: Staging, confidence: float) -> str:
    """What Youden's threshold, chosen on training patients, does at a cut; nothing where there is none."""
    point = points_of(judged, staging.name, confidence)[0]
    assert point.rule == YOUDEN
    if point.point is None:
        return ""
    made = point.point
    return (
        f"At the threshold that training patients chose for {staging.cut_name(judged.cut)}, its sensitivity was "
        f"{figure(made.sensitivity)} (n = {made.tp + made.fn}) and its specificity {figure(made.specificity)} "
        f"(n = {made.tn + made.fp})."
    )


def calls_sentence(matrix: StageMatrix) -> str:
    """How many were called rightly, of several stages how many nearly so."""
    if len(matrix.staging.classes) == 2:
        return f"It called {figure(matrix.accuracy)} of the patients rightly."
    return (
        f"It called {figure(matrix.accuracy)} of the patients their true stage and {figure(matrix.within_one)} "
        f"that stage or a neighbour (weighted kappa {figure(matrix.kappa)})."
    )


def against_others(compared: pl.DataFrame, judged: Judged, staging: Staging) -> str:
    """How many methods it beats or is beaten by at a cut after Holm's adjustment, and the difference of the least p;
    nothing where there is no other. `compared` has the columns of a study's comparison.csv, of test patients."""
    rows = [
        row
        for row in compared.filter(pl.col("split") == TEST, pl.col("cut") == judged.cut).iter_rows(named=True)
        if number(row, "p_holm") is not None and row["method"] != judged.method
    ]
    if not rows:
        return ""
    best = min(rows, key=lambda row: (number(row, "p") or 0.0, -(number(row, "n_both") or 0.0)))
    said = f"{difference_of(best, 'difference')} on {number(best, 'n_both') or 0:.0f} patients"
    at, other = staging.cut_name(judged.cut), named(text(best, "method"))
    if len(rows) == 1:
        chance = "" if sure(best) else ", which may be chance"
        return f"At {at} its AUC minus that of {other} was {said} (p {equals(best)}){chance}."
    higher = sum(sure(row) and (number(row, "difference") or 0.0) > 0 for row in rows)
    lower = sum(map(sure, rows)) - higher
    p = f"(p {equals(best)} after Holm)"
    if not higher + lower:
        return (
            f"At {at} its AUC could not be told from that of any of {len(rows)} other methods; the difference best "
            f"supported is to {other}: {said} {p}, which may be chance."
        )
    counts = [f"{word} that of {count}" for word, count in (("above", higher), ("below", lower)) if count]
    return (
        f"At {at} its AUC was {and_(counts)} of {len(rows)} other methods beyond chance; the difference best "
        f"supported is to {other}: {said} {p}."
    )


def against_random(bought: pl.DataFrame, method: str) -> str:
    """How a method's best supported way of asking differs from RAND along the learning curve; nothing where none was
    compared. `bought` has the columns of a study's budgets.csv or efficiency.csv."""
    rows = [
        row
        for row in bought.iter_rows(named=True)
        if method.startswith(f"{row['method']} ") and number(row, f"{AREA}_vs_{RANDOM}_p_holm") is not None
    ]
    if not rows:
        return ""
    best = min(rows, key=lambda row: number(row, f"{AREA}_vs_{RANDOM}_p") or 0.0)
    found = figure_in(best, AREA, RANDOM)
    assert found is not None
    assert found.versus is not None
    holm = found.versus.p_holm or 0.0
    n = f"{whole(best, 'n_patients')} patients" if "n_patients" in best else f"{whole(best, 'runs')} runs"
    several = f", the best supported of {len(rows)} strategies," if len(rows) > 1 else ""
    p = p_text(holm)
    return (
        f"Asking by {title_of(text(best, 'strategy'))}{several} changed the area under the learning curve by "
        f"{signed_short(found.versus.difference)} against asking at random "
        f"(p {p if p.startswith('<') else f'= {p}'} after Holm, {n}){'' if holm < SURE else ', which may be chance'}."
    )


def sure(row: Row) -> bool:
    """Whether a row's difference is more than chance after Holm's adjustment."""
    p = number(row, "p_holm")
    return p is not None and p < SURE


def equals(row: Row) -> str:
    """A row's adjusted p, with its sign."""
    p = p_text(number(row, "p_holm"))
    return p if p.startswith("<") else f"= {p}"


def difference_of(row: Row, name: str) -> str:
    """A difference of a row with its interval."""
    found = estimate_in(row, name)
    assert found is not None
    return signed_short(found)


def figure(estimate: Estimate) -> str:
    """A figure with its interval, as a sentence has it."""
    if estimate.value is None:
        return f"not defined ({estimate.why})"
    if estimate.lo is None or estimate.hi is None:
        return f"{estimate.value:.2f} (no interval: {estimate.why or 'unknown'})"
    return short_text(estimate)


def named(method: str) -> str:
    """A method as a sentence has it."""
    first, *more = method.split("+")
    return f"{first} with {and_(more)}" if more else first
