"""What a series is called, and what that says: the organ, and whether stiffness was measured.

Words alone decide nothing: whether a series has elastograms is seen on its pictures. They say which organ it is of, and
whether one point was measured or a map; what they leave open is said in the draft.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SPLEEN = re.compile(r"spleen|splenic|milz|\brate\b|bazo|脾", re.IGNORECASE)
LIVER = re.compile(r"liver|hepat|leber|foie|higado|hígado|abdom|肝|腹", re.IGNORECASE)
POINT = re.compile(r"stq|p-?swe|point|arfi|vtq|vttq|elast-?pq|punkt", re.IGNORECASE)
FLOW = re.compile(r"doppler|flow|\bcfi\b|\bcfm\b|\bcdi\b|vessel|portal", re.IGNORECASE)
ORDER = ("LSTE", "LUS", "LSTQ", "SSTE", "SUS", "SSTQ")  # in which a plan names them


@dataclass(frozen=True)
class Meaning:
    """What a series is taken for: a modality's name, its kind, its channels where they are not the usual ones, and what
    is unsure of it."""

    name: str
    kind: str
    channels: int | None = None
    unsure: str = ""


def meaning_of(text: str, boxed: bool) -> Meaning | None:
    """What a series of this text is, most of whose pictures are `boxed` or not; None for blood flow in colour. Of one
    point's measurement the whole picture is taken: a box around a point is no map."""
    spleen, liver = bool(SPLEEN.search(text)), bool(LIVER.search(text))
    organ = "S" if spleen and not liver else "L"
    unsure = "" if spleen != liver else "the text names no one organ; the liver is supposed"
    if boxed and FLOW.search(text):
        return None
    if POINT.search(text):
        return Meaning(f"{organ}STQ", "bmode", 3, unsure)
    return Meaning(f"{organ}STE", "elastogram", None, unsure) if boxed else Meaning(f"{organ}US", "bmode", None, unsure)
