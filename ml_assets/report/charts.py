"""Plots of days in Vega-Lite: the frame, axes and legend that all of them share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

WIDTH, HEIGHT = 560, 180
"""Of the plot itself, in pixels; titles and axes come on top."""

CONFIG: dict[str, Any] = {
    "view": {"stroke": None},
    "axis": {
        **dict.fromkeys(("labelColor", "titleColor"), "#4b5563"),
        "gridColor": "#e5e7eb",
        "domainColor": "#9ca3af",
        "titleFontWeight": "normal",
    },
}
"""How axes look."""


def day_text(date: pl.Expr) -> pl.Expr:
    """A day as a plot reads it: with a time it is read in the time zone it is drawn in."""
    return date.dt.strftime("%Y-%m-%dT00:00:00")


@dataclass(frozen=True)
class Chart:
    """What a plot of days shows beside its layers."""

    title: Sequence[str]
    axis_title: str
    axis_format: str
    """Of the numbers, as d3 writes it."""
    highest: float
    """Where the axis ends, which begins at 0."""
    legend: Mapping[str, str]
    """Names of what is drawn, and their colours."""
    days: Sequence[Mapping[str, Any]]
    """A row a day, with `day` of `day_text` and the fields of the layers."""
    language: str

    def y(self, field: str) -> dict[str, Any]:
        """A field on the axis of numbers."""
        return {
            "field": field,
            "type": "quantitative",
            "scale": {"domain": [0, self.highest], "nice": True},
            "axis": {"format": self.axis_format, "tickCount": 5, "title": self.axis_title},
        }

    def colour(self, name: str) -> dict[str, Any]:
        """The colour of a name of the legend."""
        return {
            "datum": name,
            "scale": {"domain": list(self.legend), "range": list(self.legend.values())},
            "legend": {"title": None, "orient": "bottom", "symbolType": "circle"},
        }

    def layer(self, mark: Mapping[str, Any], **encoding: Any) -> dict[str, Any]:  # noqa: ANN401 - of Vega-Lite
        """A mark over the days."""
        form = "%d/%m" if self.language == "pt-BR" else "%b %-d"
        x = {
            "field": "day",
            "type": "temporal",
            "scale": {"padding": 8},
            "axis": {"format": form, "tickCount": 7, "grid": False, "title": None},
        }
        return {"mark": {"clip": True, **mark}, "encoding": {"x": x, **encoding}}

    def spec(self, layers: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The whole plot."""
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "width": WIDTH,
            "height": HEIGHT,
            "background": "white",
            "padding": 10,
            "title": {
                "text": list(self.title),
                "anchor": "start",
                "frame": "group",
                "fontSize": 12.5,
                "fontWeight": 600,
                "offset": 12,
            },
            "data": {"values": list(self.days)},
            "layer": list(layers),
            "config": CONFIG,
        }
