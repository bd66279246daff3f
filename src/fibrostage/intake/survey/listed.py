"""Modalities that a table of pictures names: what kind each is, by what its pictures show."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.survey.look import FileLook
from fibrostage.intake.survey.names import ORDER, POINT, Meaning
from fibrostage.intake.survey.table_draft import Drafted, table_draft


@dataclass(frozen=True)
class ListedModality:
    """What a modality of the table is taken for, and what that rests on."""

    meaning: Meaning
    why: str


def picture_table(sources: Sources) -> Drafted | None:
    """How the table of pictures seems to be written, None where there is none. Raises `IntakeError` where it cannot be
    read."""
    if sources.images is None:
        return None
    encoding = sources.images_encoding or sources.encoding
    return table_draft(sources.images, ("file", "patient_id", "modality"), encoding, "images_sheet")


def as_listed(looks: Sequence[FileLook], table: Drafted) -> list[FileLook]:
    """The looks with the patient and the modality, as their series, that the table has of each; others stay."""
    rows = zip(table.column("file"), table.column("patient_id"), table.column("modality"), strict=True)
    told = {os.path.normpath(file.replace("\\", "/")): (patient, name) for file, patient, name in rows}
    found = []
    for look in looks:
        patient, name = told.get(os.path.normpath(look.name), (look.patient, look.series))
        found.append(replace(look, patient=patient, series=name))
    return found


def listed_modalities(looks: Sequence[FileLook], table: Drafted) -> list[ListedModality]:
    """The modalities of the table in the usual order: an elastogram where most of its files have a colour box, and the
    whole picture of one point's measurement."""
    own: dict[str, list[FileLook]] = defaultdict(list)
    names = set(table.column("modality"))
    for look in looks:
        if look.series in names:
            own[look.series].append(look)
    rank = {name: at for at, name in enumerate(ORDER)}
    found = []
    for name in sorted(own, key=lambda one: rank.get(one, len(ORDER))):
        boxes, point = sum(look.box for look in own[name]), bool(POINT.search(name))
        kind = "elastogram" if 2 * boxes > len(own[name]) and not point else "bmode"
        why = f"{len(own[name])} files of the table, {boxes} with a colour box"
        found.append(ListedModality(Meaning(name, kind, 3 if point else None), why))
    return found
