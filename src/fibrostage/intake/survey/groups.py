"""What the looks at all files add up to: groups of a series on a device, and the rule that would tell each apart."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fibrostage.intake.survey.look import FileLook
from fibrostage.intake.survey.names import ORDER, POINT, Meaning, meaning_of

MIXED = 0.2  # share of a series' pictures with, or without, a colour box, from which on they are two kinds of picture
FEWEST = 3  # such pictures at least
VEIL = "…"  # stands where a text names somebody
SPECIAL = re.compile(r"[.^$*+?{}\[\]\\|()]")  # signs that mean something in a regular expression


@dataclass(frozen=True)
class SeriesRule:
    """A rule of the draft: the files it would take (`looks`), by what text they are told (`key`: series or view, None
    where they say neither), whether the colour box must be looked at, and what they are taken for."""

    key: str | None
    text: str
    colour: bool | None
    meaning: Meaning
    looks: tuple[FileLook, ...]

    @property
    def boxes(self) -> int:
        return sum(look.box for look in self.looks)


@dataclass(frozen=True)
class Ruled:
    """The rules of a draft, and the series that none was made for, by why."""

    rules: tuple[SeriesRule, ...]
    without: tuple[tuple[str, str, int], ...]  # text, why, files

    def modalities(self) -> dict[str, list[SeriesRule]]:
        """The rules by the modality that they name, in the usual order."""
        found: dict[str, list[SeriesRule]] = defaultdict(list)
        for rule in self.rules:
            found[rule.meaning.name].append(rule)
        rank = {name: at for at, name in enumerate(ORDER)}
        return dict(sorted(found.items(), key=lambda item: rank.get(item[0], len(ORDER))))


def ruled_of(looks: Iterable[FileLook]) -> Ruled:
    """The rules that tell these files apart by what they say; a text all of which names somebody makes none."""
    series: dict[tuple[str | None, str], list[FileLook]] = defaultdict(list)
    for look in looks:
        key = "series" if look.series else "view" if look.view else None
        series[key, look.series or look.view].append(look)
    rules: list[SeriesRule] = []
    without: list[tuple[str, str, int]] = []
    for (key, text), own in sorted(series.items(), key=lambda item: -len(item[1])):
        if text == VEIL:
            without.append((VEIL, "its text holds a name, a number or a date of somebody's", len(own)))
            continue
        for colour, part in parts_of(own, text, key):
            meaning = meaning_of(text, 2 * sum(look.box for look in part) > len(part))
            if meaning is None:
                without.append((text, "colour that seems to be blood flow, and no stiffness", len(part)))
            else:
                rules.append(SeriesRule(key, text, colour, meaning, tuple(part)))
    return Ruled(tuple(rules), tuple(without))


def parts_of(looks: Sequence[FileLook], text: str, key: str | None) -> list[tuple[bool | None, list[FileLook]]]:
    """The files of a series as one, or with and without a colour box where both are many, or nothing else tells."""
    boxed, plain = [look for look in looks if look.box], [look for look in looks if not look.box]
    few = 0 if POINT.search(text) else min(len(boxed), len(plain))
    if boxed and plain and (key is None or (few >= FEWEST and few >= MIXED * len(looks))):
        return [(True, boxed), (False, plain)]
    if key is None:
        return [(bool(boxed), list(looks))]
    return [(None, list(looks))]


def pattern(text: str) -> str:
    """A regular expression for just this text, with anything where somebody's name stood."""
    return "^" + SPECIAL.sub(r"\\\g<0>", text).replace(VEIL, ".*") + "$"


def counted(values: Iterable[str]) -> dict[str, int]:
    """Values by how often they come, the most frequent first."""
    return dict(Counter(values).most_common())
