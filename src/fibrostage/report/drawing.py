"""A figure with what a reader who does not see it, and an author who prints it, must know of it."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.text import Text

NOT_SAID = 12  # of a figure's words, beyond which a description made of them is no help


@dataclass(frozen=True)
class Drawing:
    """A figure. `about` is what it shows where a section has several, `alt` what is seen in it, in words; `counted`
    says of how many patients it is (n), `interval` what interval it shows, or why none."""

    figure: Figure
    about: str = ""
    alt: str = ""
    counted: str = ""
    interval: str = ""
    kind: str = "drawing"

    @property
    def said(self) -> str:
        """What is seen, in words: as the figure's maker says it, else its own titles and labels."""
        return self.alt or "; ".join(dict.fromkeys(words_of(self.figure)[:NOT_SAID]))

    @property
    def caption(self) -> str:
        """What stands below it: what it shows, of how many, and with what interval."""
        parts = filter(None, (self.about, self.counted, self.interval))
        return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts)


def words_of(made: Figure) -> list[str]:
    """Every visible text of a figure: titles, labels, legends, what is written in it; ticks are left out."""
    ticks = {
        id(label) for ax in made.axes for axis in (ax.xaxis, ax.yaxis) for label in axis.get_ticklabels(which="both")
    }
    texts = (text for text in made.findobj(Text) if isinstance(text, Text) and id(text) not in ticks)
    return [words for text in texts if text.get_visible() and (words := " ".join(text.get_text().split()))]
