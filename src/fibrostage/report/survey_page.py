"""A survey as a folder: a page to look at, the same as JSON, and the draft of the plan. Nothing in it names anybody."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from jinja2 import Environment, PackageLoader, select_autoescape
from PIL import Image

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.ground.files import new_folder, write_json, write_text
from fibrostage.intake.survey.survey import SamplePicture, Surveyed

PAGE, FACTS, PLAN = "index.html", "survey.json", "plan.toml"


def write_survey(found: Surveyed, target: Path) -> Path:
    """Writes index.html, survey.json and plan.toml into a new folder and returns the page's path.

    Raises `RunError` where there is something at `target`, or it cannot be written.
    """
    with new_folder(target) as work:
        write_text(work / PLAN, found.plan)
        write_json(work / FACTS, found.as_dict(named=False))
        write_text(work / PAGE, page_of(found))
    return target / PAGE


def page_of(found: Surveyed) -> str:
    """The survey as one HTML page with everything in it."""
    environment = Environment(
        loader=PackageLoader("fibrostage.report", "templates"), autoescape=select_autoescape(), trim_blocks=True
    )
    groups: dict[str, list[tuple[str, str]]] = {}
    for sample in found.samples:
        groups.setdefault(f"{sample.modality} · {sample.device or 'device not said'}", []).append(
            (picture_of(sample), f"{sample.modality} of {sample.device or 'an unnamed device'}")
        )
    return environment.get_template("survey.html").render(
        facts=found.as_dict(named=False),
        samples=groups,
        simulated=SIMULATED if found.simulated else "",
        notice=RESEARCH_USE,
    )


def picture_of(sample: SamplePicture) -> str:
    """A sample's pixels as a data URL."""
    pixels = sample.pixels
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
