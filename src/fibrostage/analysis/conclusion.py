"""A comparison in words, and as the JSON that programs read."""

from __future__ import annotations

from fibrostage import RESEARCH_USE
from fibrostage.analysis.compare_scores import Comparison, Pair
from fibrostage.ground.files import Json
from fibrostage.ground.numbers import signed, signed_within


def conclusion(made: Comparison) -> str:
    """One plain sentence (two, where there are pairs) on what these rows can and cannot show."""
    question, areas = made.question, made.main.areas
    figures = {name: area for name, area in areas.items() if area.figure.value is not None}
    if not figures:
        return "Nothing can be concluded: " + next(iter(areas.values())).figure.why + "."
    what = "AUC" if not question.ordinal else "Obuchowski index"
    decided = [pair for pair in made.main.pairs if pair.p_holm is not None and pair.p_holm < 1 - question.confidence]
    open_pairs = [pair for pair in made.main.pairs if pair.p_holm is not None and pair not in decided]
    if not made.main.pairs:
        name, area = next(iter(figures.items()))
        if area.figure.lo is None:
            return f"{name}: {what} {area.figure}, n = {area.n}; without an interval nothing is said of chance."
        if area.figure.lo > area.chance:
            return f"{name} tells them apart better than chance ({what} {area.figure}, n = {area.n})."
        return f"These {area.n} rows do not show that {name} does better than chance ({what} {area.figure})."
    sentences = []
    for pair in decided:
        d = pair.difference
        assert d.value is not None
        assert d.lo is not None
        assert d.hi is not None
        better, worse = (pair.a, pair.b) if d.value > 0 else (pair.b, pair.a)
        lo, hi = sorted((abs(d.lo), abs(d.hi)))
        sentences.append(
            f"{better} is better than {worse} by {abs(d.value):.3f} [{lo:.3f}–{hi:.3f}] in {what} on {pair.n} "
            f"common rows ({p_text(pair)})."
        )
    for pair in open_pairs:
        d = pair.difference
        if not d.se:
            how = "rank these" if d.se == 0 else "do equally well, with no spread to compare, on these"
            sentences.append(f"{pair.a} and {pair.b} {how} {pair.n} rows" + (" alike." if d.se == 0 else "."))
            continue
        assert d.value is not None
        assert d.lo is not None
        assert d.hi is not None
        if d.p is not None and d.p < 1 - question.confidence:
            sentences.append(
                f"{pair.a} and {pair.b} differ by {signed_within(d.value, d.lo, d.hi)} in {what} on {pair.n} "
                f"common rows, p = {d.p:.3f} alone and {pair.p_holm:.3f} among {len(made.main.pairs)} comparisons: "
                "a lead only."
            )
            continue
        sentences.append(
            f"{pair.n} common rows cannot tell {pair.a} from {pair.b}: the difference in {what} may be anything from "
            f"{signed(d.lo)} to {signed(d.hi)} ({p_text(pair)})."
        )
    return " ".join(sentences) or "No pair could be compared: " + made.main.pairs[0].difference.why + "."


def p_text(pair: Pair) -> str:
    """Writes a pair's p as text, said to be Holm-adjusted where that changed it."""
    value = pair.p_holm
    assert value is not None
    name = "p" if value == pair.difference.p else "Holm-adjusted p"
    return f"{name} < 0.001" if value < 0.001 else f"{name} = {value:.3f}"


def as_dict(made: Comparison) -> dict[str, Json]:
    """What --json prints."""
    result: dict[str, Json] = {"n": made.n}
    if made.positives is not None:
        result["positives"] = made.positives
    areas: Json = {name: area.as_dict() for name, area in made.main.areas.items()}
    pairs: Json = [pair.as_dict() for pair in made.main.pairs]
    if not made.question.ordinal:
        result |= {"auc": areas, "pairs": pairs}
    else:
        result |= {"n_by_stage": made.counts, "penalty": made.question.penalty, "obuchowski": areas, "pairs": pairs}
        result["auc_at_cut"] = {cut.name: {k: area.as_dict() for k, area in cut.areas.items()} for cut in made.cuts}
        result["pairs_at_cut"] = {cut.name: [pair.as_dict() for pair in cut.pairs] for cut in made.cuts}
    return result | {
        "truth": made.question.truth,
        "lower": list(made.question.lower),
        "positive": list(made.question.positive),
        "cluster": made.question.cluster,
        "clusters": made.clusters,
        "confidence": made.question.confidence,
        "without_truth": made.without_truth,
        "missing": made.missing,
        "simulated": made.simulated,
        "caveats": list(made.caveats),
        "conclusion": conclusion(made),
        "notice": RESEARCH_USE,
    }
