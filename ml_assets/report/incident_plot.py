"""A picture of an incident: its series, the band that was expected, and the days on which it showed."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_assets.anomalies.attribution import read_series
from ml_assets.anomalies.frames import METRICS
from ml_assets.report.charts import Chart, day_text
from ml_assets.report.pictures import SCALES, markdown_image, picture

TITLE_WIDTH = 88
"""Characters of a line of the title."""

TITLE_LINES = 2
SEVERITY_COLOURS = {"LOW": "#6b7280", "MEDIUM": "#b45309", "HIGH": "#c2410c", "CRITICAL": "#b91c1c"}
LINE, BAND, EXPECTED = "#1f2937", "#93c5fd", "#2563eb"

BAND_ROOM = 2.0
"""How far a band is shown above what was expected: a wide one must not flatten the series."""

SMALL = 20.0
SMALL_RATE = 0.1
"""Values below these are read with decimals."""

SPIKE_ROOM = 1.08
"""Room above the highest point of the series, as a factor."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "spend": "Spend a day",
        "impressions": "Impressions a day",
        "clicks": "Clicks a day",
        "leads": "Leads a day",
        "cpm": "CPM",
        "ctr": "Click-through rate",
        "cvr": "Clicks that became leads",
        "cpl": "Cost per lead",
        "frequency": "Times per person",
        "observed": "observed",
        "expected": "expected, with the 99 % band",
        "days": "days of the incident",
    },
    "pt-BR": {
        "spend": "Gasto por dia",
        "impressions": "Impressões por dia",
        "clicks": "Cliques por dia",
        "leads": "Leads por dia",
        "cpm": "CPM",
        "ctr": "Taxa de cliques (CTR)",
        "cvr": "Cliques que viraram leads",
        "cpl": "Custo por lead",
        "frequency": "Vezes por pessoa",
        "observed": "observado",
        "expected": "esperado, com a faixa de 99 %",
        "days": "dias do incidente",
    },
}
"""Words of a plot by language; a language without its own reads English."""


@dataclass(frozen=True)
class _Plot:
    """What is drawn: the title, the metric, and the days, each with `is_shown` on those of the incident."""

    title: list[str]
    metric: str
    colour: str
    days: list[dict[str, Any]]
    highest: float
    language: str

    def word(self, key: str) -> str:
        return WORDS.get(self.language, WORDS["en"])[key]


def incident_plot_png(row: Mapping[str, Any], language: str = "en") -> bytes:
    """The plot of an incident as a PNG picture.

    `row` is one of INCIDENTS or of `ml_incidents`, with its `description`; `language` is that of the axis and
    the legend. The title is the description, cut after two lines. A day without a value is a gap; an incident
    without a series (levels that do not add up) is a plot with a title and no lines.
    """
    return picture(_spec(_plot(row, language)), SCALES[0], language)


def incident_plot_markdown(row: Mapping[str, Any], language: str = "en") -> str:
    """The plot as a Markdown image that carries its data, for a run's metadata; see `markdown_image`.

    Empty for an incident without a series.
    """
    plot = _plot(row, language)
    return markdown_image(_spec(plot), " ".join(plot.title), language) if plot.days else ""


def _plot(row: Mapping[str, Any], language: str) -> _Plot:
    document = row.get("attribution")
    text = document if isinstance(document, str) or document is None else json.dumps(document)
    series = read_series(pl.DataFrame({"attribution": [text]}, schema={"attribution": pl.String}))
    last = row.get("last_date")
    shown = series.with_columns(
        is_shown=pl.col("date").is_between(pl.lit(row["onset_date"], pl.Date), pl.lit(last, pl.Date)),
        day=day_text(pl.col("date")),
    ).filter(pl.any_horizontal(pl.col("observed", "expected").is_not_null()))
    metric = json.loads(text)["metric"] if text else None
    seen = pl.max_horizontal(pl.col("observed").max(), pl.col("expected").max())
    band = pl.min_horizontal(pl.col("upper").max(), BAND_ROOM * pl.col("expected").max())
    # without an upper end the band leaves the picture
    highest = float(shown.select(pl.max_horizontal(seen, band)).item() or 1.0) * SPIKE_ROOM
    shown = shown.with_columns(
        upper=pl.when(pl.col("lower").is_not_null()).then(pl.col("upper").fill_null(BAND_ROOM * highest))
    )
    title = " ".join(str(row.get("description") or row["kind"].replace("_", " ").capitalize()).split())
    return _Plot(
        title=textwrap.wrap(title, TITLE_WIDTH, max_lines=TITLE_LINES, placeholder=" …"),
        metric=metric if metric in METRICS else "",
        colour=SEVERITY_COLOURS.get(row.get("severity") or "", SEVERITY_COLOURS["MEDIUM"]),
        days=shown.drop("date", "row").to_dicts(),
        highest=highest,
        language=language,
    )


def _spec(plot: _Plot) -> dict[str, Any]:
    """The plot in Vega-Lite."""
    is_rate = plot.metric in {"ctr", "cvr"}
    is_small = plot.highest < (SMALL_RATE if is_rate else SMALL)
    colours = {"observed": LINE, "expected": EXPECTED, "days": plot.colour}
    chart = Chart(
        title=plot.title,
        axis_title=plot.word(plot.metric) if plot.metric else "",
        axis_format=(".1%" if is_small else ".0%") if is_rate else (",.2~f" if is_small else ",.0f"),
        highest=plot.highest,
        legend={plot.word(key): colour for key, colour in colours.items()},
        days=plot.days,
        language=plot.language,
    )

    def drawn(field: str, key: str, **mark: Any) -> dict[str, Any]:  # noqa: ANN401 - of Vega-Lite
        return chart.layer(mark, y=chart.y(field), color=chart.colour(plot.word(key)))

    band = {"type": "area", "color": BAND, "opacity": 0.35}
    on_days = {"transform": [{"filter": "datum.is_shown && isValid(datum.observed)"}]}
    return chart.spec(
        [
            chart.layer(band, y=chart.y("lower"), y2={"field": "upper"}),
            drawn("expected", "expected", type="line", strokeDash=[5, 4], strokeWidth=1.3),
            drawn("observed", "observed", type="line", strokeWidth=1.8, point={"size": 22}),
            drawn("observed", "days", type="circle", size=80, opacity=1, clip=False) | on_days,
        ]
    )
