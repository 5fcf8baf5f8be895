"""The figures of a page: their titles as text, their data below it."""

from __future__ import annotations

from typing import NamedTuple, TYPE_CHECKING


if TYPE_CHECKING:
    import plotly.graph_objects as go


class PageFigure(NamedTuple):
    """A figure and its place.

    Attributes:
        name: Id of its data.
        title: Its title, which a page can break into lines, as plotly cannot.
        subtitle: How to read it.
        height: Pixels.
        wide: Whether it has plots side by side: narrow pages scroll it.
        data: Traces and layout as JSON that can stand in a script element.
    """

    name: str
    title: str
    subtitle: str
    height: int
    wide: bool
    data: str


class FigureSheet:
    """Collects the figures of a page."""

    def __init__(self) -> None:
        self.figures: list[PageFigure] = []

    def add(self, figure: go.Figure) -> PageFigure:
        """Take in a figure, whose title is taken off it."""
        meta = figure.layout.meta or {}
        top = int(figure.layout.margin.t or 80)
        own = 56 if figure.layout.annotations else 32  # the mode bar stands there
        height = int(figure.layout.height or 450) - max(top - own, 0)
        figure.update_layout(title=None, margin_t=own, height=height)
        # "</script>" within a text would end the element.
        data = figure.to_json().replace("<", "\\u003c")
        page_figure = PageFigure(
            f"figure-{len(self.figures)}",
            str(meta.get("title", "")),
            str(meta.get("subtitle", "")),
            height,
            "xaxis2" in figure.to_dict()["layout"],
            data,
        )
        self.figures.append(page_figure)
        return page_figure
