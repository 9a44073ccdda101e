"""What templates are given to draw measurements: positions and words, nothing to decide."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """Words in a picture: percent across, pixels down; `anchor` as SVG has it, `look` a class.

    `more` stands before them where there is room.
    """

    x: float
    y: float
    words: str
    anchor: str = "start"
    look: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class PanelView:
    """One plot: where it stands, its paths (units of a thousand across, pixels down), its texts.

    `name` is as much of its name as a phone has room for, `name_more` the rest.
    """

    name: str
    name_more: str
    scale_words: str
    name_y: float
    y: float
    height: float
    line: str
    dots: str
    bounds: str
    expected: str
    usual: str
    grid: tuple[float, ...]
    levels: tuple[tuple[float, bool], ...]
    texts: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time in percent of the width, with its words."""

    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class Post:
    """A moment in percent of the width, with its words."""

    x: float
    words: str
    alarming: bool


@dataclass(frozen=True, slots=True)
class Spot:
    """What is said of one point when somebody points at it: a column of the whole height."""

    x: float
    width: float
    words: str


@dataclass(frozen=True, slots=True)
class CurvesView:
    """Everything a template needs to draw the curves, the table behind them, and the sentence that says them."""

    panels: tuple[PanelView, ...]
    top: float
    bottom: float
    height: float
    plot: float
    ticks: tuple[Text, ...]
    notes: tuple[Text, ...]
    bands: tuple[Band, ...]
    posts: tuple[Post, ...]
    spots: tuple[Spot, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    thinned: int  # how many points are not drawn
    zone: str
    sentence: str

    @property
    def drop(self) -> float:
        """How high a mark over all panels is."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class SmallView:
    """One of many small plots: its paths, its newest value, how much it rests on."""

    name: str
    line: str
    dots: str
    expected: str
    newest: str
    note: str
    driver: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class MultiplesView:
    """Everything a template needs to draw small plots on one scale; `left_out` have no place here.

    The table behind them has a row for each window and a column for each segment.
    """

    smalls: tuple[SmallView, ...]
    height: float
    low: str
    high: str
    bands: tuple[Band, ...]
    left_out: int
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
