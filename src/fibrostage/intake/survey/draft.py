"""The draft of a plan as text: each line with the count it rests on, and what was unsure beside it.

A line behind a # is one that only a person can confirm: what a colour bar's top means where its numbers were not read
surely, what may be kept of a screen that marks nothing, in which unit a column is.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from fibrostage import RESEARCH_USE
from fibrostage.csv_tables.way_forward import quoted
from fibrostage.intake.find.bar_numbers import SURE, BarScale
from fibrostage.intake.survey.groups import VEIL, Ruled, SeriesRule, pattern
from fibrostage.intake.survey.listed import ListedModality
from fibrostage.intake.survey.look import FileLook
from fibrostage.intake.survey.names import Meaning
from fibrostage.intake.survey.table_draft import UNSURE, Drafted

USUAL = ("US",)  # of DICOM's modalities
MARKERS = {"LSTE": "swe", "SSTE": "spleen"}
SLACK = 8  # pixels by which it may differ


def draft_of(
    ruled: Ruled,
    looks: Sequence[FileLook],
    table: Drafted | None,
    listed: Sequence[ListedModality],
    simulated: str,
    pictures: Drafted | None = None,
    modalities: Sequence[str] = USUAL,
) -> str:
    """The draft: staging and tables, modalities, rules, bars and masks. `listed` are the modalities of a table of
    `pictures`, where there is one, and no rule is needed; `modalities` are DICOM's that were looked at."""
    blocks = [head(simulated), *staging_block(table), *table_block(table, pictures)]
    if tuple(modalities) != USUAL:
        blocks.append(f"[dicom]\nmodalities = [{', '.join(map(quoted, modalities))}]\n")
    measured_already = set(table.known) if table else set()
    if listed:
        return "\n".join([*blocks, *(modality_block(one.meaning, one.why, None) for one in listed)])
    readings = any(look.readings for look in looks)
    for name, rules in ruled.modalities().items():
        blocks.append(modality_of_rules(name, rules, measured_already, readings))
    for rule in [rule for rules in ruled.modalities().values() for rule in rules]:
        blocks.append(rule_block(rule))
    for text, why, count in ruled.without:
        blocks.append(f"# {count} files of the series {quoted(text)} have no rule: {why}\n")
    blocks += stiffness_blocks(ruled.rules)
    blocks += mask_blocks(looks)
    return "\n".join(blocks)


def head(simulated: str) -> str:
    """What the file says of itself."""
    told = f"# {simulated}: these patients do not exist.\n" if simulated else ""
    return (
        f"# A draft that 'fibrostage survey' made of what is there; every line says what it rests on.\n{told}"
        f"# Read it, look for {UNSURE.strip(': ')} and for lines behind a #, and change what is not so.\n"
        f"# {RESEARCH_USE}\n"
    )


def commented(line: str, comment: str) -> str:
    """A line of TOML with a comment behind it."""
    shown = "".join(sign for sign in " ".join(comment.split()) if sign.isprintable())  # TOML allows no other
    return f"{line}  # {shown}\n" if shown else f"{line}\n"


def staging_block(table: Drafted | None) -> list[str]:
    """The staging system, where the table tells one."""
    if table is None:
        return ["# No table of patients was given: nobody has a stage.\n"]
    if table.staging is None:
        return [commented("# [staging]", table.staging_comment)]
    return ["[staging]\n" + commented(f"name = {quoted(table.staging.name)}", table.staging_comment)]


def table_block(table: Drafted | None, pictures: Drafted | None = None) -> list[str]:
    """How the tables are written, where they are not as they would be read without a word."""
    if table is None or not (table.all_lines(pictures) or table.asleep):
        return []
    live = "".join(commented(line, why) for line, why in table.all_lines(pictures))
    asleep = "".join(commented(f"# {line}", why) for line, why in table.asleep)
    return [f"[table]\n{live}{asleep}"]


def modality_of_rules(name: str, rules: Sequence[SeriesRule], measured_already: set[str], readings: bool) -> str:
    """A modality with how many pictures and colour boxes it rests on."""
    looks = [look for rule in rules for look in rule.looks]
    boxes = sum(look.box for look in looks)
    patients = len({look.patient for look in looks})
    unsure = {rule.meaning.unsure for rule in rules if rule.meaning.unsure}
    why = f"{len(looks)} files of {patients} patients, {boxes} with a colour box"
    why += "".join(f"; {UNSURE}{text}" for text in sorted(unsure))
    bars = any(look.bar for look in looks)
    marker = MARKERS.get(name) if bars or readings else None
    kinds = Counter(rule.meaning.kind for rule in rules)
    meaning = Meaning(name, kinds.most_common(1)[0][0], rules[0].meaning.channels)
    return modality_block(meaning, why, marker, bool(marker and marker in measured_already))


def modality_block(meaning: Meaning, why: str, marker: str | None, given: bool = False) -> str:
    """The lines of a modality; `given` says that the table has its marker already."""
    text = "[[modality]]\n" + commented(f"name = {quoted(meaning.name)}", why) + f"kind = {quoted(meaning.kind)}\n"
    if meaning.channels is not None:
        text += commented(f"channels = {meaning.channels}", "one point's box and number are drawn in colour")
    if marker is not None:
        told = "of a patient's reliable stiffnesses" + ("; the table's own values go before it" if given else "")
        text += commented(f"marker = {quoted(marker)}", told)
    return text


def rule_block(rule: SeriesRule) -> str:
    """The rule that takes a series."""
    devices = len({look.device for look in rule.looks})
    loops = sum(look.loop for look in rule.looks)
    why = f"{len(rule.looks)} files on {devices} device{'s' if devices > 1 else ''}"
    why += (f", {loops} of them loops" if loops else "") + (f", {rule.boxes} with a colour box" if rule.boxes else "")
    bare = len(rule.looks) - rule.boxes
    if rule.meaning.kind == "elastogram" and bare:
        why += f"; {UNSURE}{bare} show no colour box and will be refused"
    text = "[[rule]]\n" + commented(f"modality = {quoted(rule.meaning.name)}", why)
    if rule.key is not None:
        text += f"{rule.key} = {quoted(pattern(rule.text))}\n"
    if rule.colour is not None:
        text += f"colour = {str(rule.colour).lower()}\n"
    if rule.key is None:
        text += f"# {UNSURE}these files name neither series nor view, and are told by colour alone\n"
    return text


def stiffness_blocks(rules: Iterable[SeriesRule]) -> list[str]:
    """A block a device with colour bars, with what their numbers say; behind a # where none was read surely, or they
    differ from one picture to another."""
    devices: dict[str, list[FileLook]] = defaultdict(list)
    for rule in rules:
        for look in rule.looks:
            if look.box and rule.meaning.kind == "elastogram":
                devices[look.device].append(look)
    blocks = []
    for device, looks in sorted(devices.items()):
        bars = sum(look.bar for look in looks)
        if bars and device == VEIL:
            blocks.append(f"# {bars} colour bars are of a device whose name names somebody; say its device yourself\n")
        elif bars:
            why = f"{bars} of {len(looks)} elastograms have a colour bar"
            blocks.append(stiffness_block(device, [look.scale for look in looks if look.scale is not None], bars, why))
    return blocks


def stiffness_block(device: str, scales: Sequence[BarScale], bars: int, why: str) -> str:
    """The block of a device with so many `bars`, of which `scales` were read."""
    named = f"device = {quoted(pattern(device))}\n" if device else ""
    sure = [scale for scale in scales if scale.confidence >= SURE]
    told = Counter((scale.top, scale.unit) for scale in sure)
    if len(told) == 1:
        ((top, unit),) = told
        least = min(scale.confidence for scale in sure)
        read = f"read at {len(sure)} of {bars} bars, confidence {least:.2f} or more"
        doubt = UNSURE if 2 * len(sure) < bars else ""
        return (
            commented("[[stiffness]]", why) + named + commented(f"scale = {top:g}", f"{doubt}{read}")
            + f"unit = {quoted(str(unit))}\n"
        )  # fmt: skip
    likely = Counter(scale.top for scale in scales if scale.of_top >= SURE)
    seen = ", ".join(f"{top:g}{f' {unit}' if unit else ''} {count}×" for (top, unit), count in told.most_common())
    seen = seen or ", ".join(f"{top:g} {count}×" for top, count in likely.most_common())
    ask = "write the number at the bar's top here, then take the # away"
    if len(told) > 1 or len(likely) > 1:
        ask = f"the bars differ ({seen}): a block for each, told apart by what the files say, or keep the commonest"
    elif likely:
        ask = f"the bars say {seen}, but their unit was not read; then take the # away"
    return (
        commented("# [[stiffness]]", why)
        + ("# " + named if named else "")
        + commented(f"# scale = {next(iter(likely), 0):g}", f"{UNSURE}{ask}")
        + commented('# unit = "kPa"', 'or "m/s"')
    )


def mask_blocks(looks: Iterable[FileLook]) -> list[str]:
    """A block a device and size of screens that mark no tissue, behind a #: a name may stand in what is kept."""
    screens: dict[tuple[str, int, int], list[FileLook]] = defaultdict(list)
    for look in looks:
        if look.format == "DICOM" and look.tissue and not set(look.regions) & {"tissue", "colour"}:
            screens[look.device, look.width, look.height].append(look)
    blocks = []
    for (device, width, height), own in sorted(screens.items()):
        keep, agree = usual_part(own)
        why = f"{len(own)} screens mark no tissue and are kept out; on {agree} of them it was found within this"
        blocks.append(
            commented("# [[mask]]", why)
            + (f"# device = {quoted(pattern(device))}\n" if device else "")
            + f"# width = {width}\n# height = {height}\n"
            + commented(f"# keep = [{list(keep)}]", f"{UNSURE}look at such screens: no name may stand in this part")
        )
    return blocks


def usual_part(looks: Sequence[FileLook]) -> tuple[tuple[int, int, int, int], int]:
    """The part (x, y, width, height) in which tissue was found on the middle one of these screens, and on how many it
    lies within it, but for a few pixels."""
    boxes = []
    for look in looks:
        left, top = min(roi.x for roi in look.tissue), min(roi.y for roi in look.tissue)
        right, bottom = max(roi.right for roi in look.tissue), max(roi.bottom for roi in look.tissue)
        boxes.append((left, top, right, bottom))
    middle = [sorted(side)[len(side) // 2] for side in zip(*boxes, strict=True)]
    inside = sum(
        box[0] >= middle[0] - SLACK
        and box[1] >= middle[1] - SLACK
        and box[2] <= middle[2] + SLACK
        and box[3] <= middle[3] + SLACK
        for box in boxes
    )
    return (middle[0], middle[1], middle[2] - middle[0], middle[3] - middle[1]), inside


def words_in(text: str) -> list[str]:
    """The lines of a draft that a person has to look at."""
    return [line.strip() for line in text.splitlines() if re.search(rf"{UNSURE}", line)]
