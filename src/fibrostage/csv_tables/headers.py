"""Columns that are called almost as a measured one: they are named, for they would be passed over in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterable

ALIASES = {
    "plt": "platelets",
    "platelet": "platelets",
    "thrombocytes": "platelets",
    "thrombozyten": "platelets",
    "thrombos": "platelets",
    "plaquettes": "platelets",
    "plaquetas": "platelets",
    "alter": "age",
    "geschlecht": "sex",
    "gender": "sex",
    "sexe": "sex",
    "sexo": "sex",
    "got": "ast",
    "sgot": "ast",
    "asat": "ast",
    "gpt": "alt",
    "sgpt": "alt",
    "alat": "alt",
    "alb": "albumin",
    "ggtp": "ggt",
    "gammagt": "ggt",
    "fibroscan": "te",
    "vcte": "te",
    "lsm": "te",
}
KEYS = {  # what the columns that name and stage patients, or name pictures, are called elsewhere
    "patient_id": (
        "patientid", "patient", "pat", "patid", "patnr", "patno", "patientennummer", "patientennr", "pid", "id",
        "subject", "subjectid", "studyid", "caseid", "case", "fallnr", "paciente", "idpaciente", "numpatient", "患者id",
        "病人id", "编号",
    ),
    "stage": (
        "metavir", "metavirf", "fibrosis", "fibrosisstage", "fibrose", "fibrosegrad", "fibrosestadium", "stadium",
        "stade", "estadio", "scheuer", "ishak", "f", "fstage", "histology", "histologie", "biopsy", "stagef", "分期",
    ),
    "file": ("filename", "image", "path", "imagepath", "picture", "datei", "dateiname", "bild", "fichier", "archivo"),
    "modality": ("kind", "type", "imagetype", "modalität", "modalite", "modalidad", "exam", "art"),
}  # fmt: skip


def letters_of(name: str) -> str:
    """A column's name as it is compared: its letters and digits, whatever the case."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def meant_by(column: str, known: Iterable[str]) -> str | None:
    """Which of the `known` columns one seems to be that is called otherwise, or None."""
    names, key = list(known), letters_of(column)
    plain = {letters_of(name): name for name in names}
    others = {alias: name for name, aliases in KEYS.items() for alias in aliases} | ALIASES
    found = plain.get(key) or others.get(key)
    return found if found in names and found != column else None


def misnamed(columns: Collection[str], known: Iterable[str]) -> dict[str, str]:
    """Columns that are not read and what they seem to mean, where no column of that name is there."""
    names = set(known)
    found = {}
    for column in columns:
        meant = meant_by(column, names)
        if column not in names and meant is not None and meant not in columns:
            found[column] = meant
    return found


def notes_on(columns: Collection[str], known: Iterable[str]) -> list[str]:
    """A sentence for each misnamed column."""
    return [
        f"column {column!r} is not read; if it is {meant!r} in the units of the markers, call it so"
        for column, meant in misnamed(columns, known).items()
    ]
