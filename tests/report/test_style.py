"""A group's style lies over ours or is refused with its fault named; our colours can be told apart by everybody."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from fibrostage.ground.errors import PlanError
from fibrostage.report.figures import FIGURES
from fibrostage.report.inline import on_dark, to_svg, turned
from fibrostage.report.style import COLOURS, FigureLook, figure, looking
from fibrostage.report.style_file import read_style
from tests.report import made


def test_a_style_lies_over_ours(tmp_path: Path) -> None:
    path = tmp_path / "group.mplstyle"
    path.write_text("axes.prop_cycle: cycler('color', ['112233', '445566'])\nfont.size: 12\n# a comment\n")
    with looking(FigureLook(read_style(path))):
        (drawn,) = FIGURES["roc_curves"].draw(made.run())
    line = drawn.figure.axes[0].lines[0]
    assert line.get_color() == "#112233"
    assert drawn.figure.axes[0].xaxis.label.get_fontsize() == 12


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("font.sise: 8\n", "Bad key font.sise|font.sise"),
        ("font.size: large and red\n", "large and red"),
        ("no colon here\n", "(?i)missing colon"),
        ("backend: agg\n", "backend is no matter of style"),
        ("text.usetex: True\n", "text.usetex needs LaTeX"),
        ("font.family: Font Nobody Has\n", "Font Nobody Has, which is not installed here"),
        ("# nothing\n", "sets nothing"),
    ],
)
def test_a_bad_style_is_refused_with_its_fault_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.mplstyle"
    path.write_text(text)
    with pytest.raises(PlanError, match=said) as caught:
        read_style(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no such file"):
        read_style(tmp_path / "none.mplstyle")
    (tmp_path / "x.mplstyle").write_bytes(b"font.size: \xff\xfe8\n")
    with pytest.raises(PlanError, match="not text in UTF-8"):
        read_style(tmp_path / "x.mplstyle")


# Machado, Oliveira & Fernandes 2009, severity 1.0, on linear light
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def lab(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear sRGB."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 1e-6))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLIND)
def test_colours_can_be_told_apart_by_who_sees_fewer(kind: str) -> None:
    linear = [((np.array(to_rgb(c)) + 0.055) / 1.055) ** 2.4 for c in COLOURS]
    seen = [lab(np.clip(np.array(BLIND[kind]) @ colour, 0, 1)) for colour in linear]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 8


def test_ids_are_a_figures_own_and_greys_turn() -> None:
    (drawn,) = FIGURES["stages_called"].draw(made.run())
    one, two = (to_svg(drawn.figure, name, "what is seen") for name in ("one", "two"))
    assert 'aria-label="what is seen"' in one
    ids = [{part.split('"')[0] for part in svg.split(' id="')[1:]} for svg in (one, two)]
    assert ids[0]
    assert all(name.startswith("one-") for name in ids[0])
    assert not ids[0] & ids[1]
    assert turned("#1d2733").startswith("var(")
    assert turned("#e69f00") == "#e69f00"
    assert "var(--turn-" in one
    assert "var(" not in to_svg(drawn.figure, turning=False)
    assert int(on_dark("1d2733")[1:3], 16) > 180 > 60 > int(on_dark("ffffff")[1:3], 16), "ink is light, paper dark"


def test_letters_that_no_font_has_stay_text() -> None:
    from matplotlib.figure import Figure

    from fibrostage.report.style import drawing, figure

    def svg(title: str) -> str:
        with drawing():
            drawn, (ax,) = figure(3, 2)
            ax.set_title(title)
        assert isinstance(drawn, Figure)
        return to_svg(drawn)

    assert "<text" not in svg("fibrosis")
    assert "\U0001f9ec" in svg("\U0001f9ec")


@pytest.mark.parametrize(("stretch", "width"), [(True, 182.0), (False, 101.6)])
def test_a_small_figure_is_as_wide_as_a_journals_column_and_on_paper_as_it_is(stretch: bool, width: float) -> None:
    with looking(FigureLook(width=182.0, stretch=stretch)):
        made, _ = figure(4.0, 3.0)
    assert made.get_figwidth() * 25.4 == pytest.approx(width)


@pytest.mark.parametrize(("columns", "beside"), [(4, 2), (3, 3), (5, 3), (6, 3)])
def test_the_panels_of_a_row_stay_together_on_a_phone(columns: int, beside: int) -> None:
    with looking(FigureLook(width=89.0, tallest=math.inf)):
        _, axes = figure(2.9 * columns, 4.6, columns, 2, 1.1)
    place = axes[0].get_subplotspec()
    assert place is not None
    assert place.get_gridspec().ncols == beside
