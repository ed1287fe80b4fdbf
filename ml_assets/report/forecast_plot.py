"""A picture of a forecast: what came before, the mean of what comes, and the bands of 80 and 95 %."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from ml_assets.report.charts import Chart, day_text
from ml_assets.report.incident_plot import WORDS
from ml_assets.report.pictures import SCALES, markdown_image, picture

HISTORY_DAYS = 35
"""Days before the forecast date that are shown."""

ACTUAL, FORECAST, BAND = "#1f2937", "#2563eb", "#93c5fd"
SMALL = 20.0
ROOM = 1.15
"""Room above the highest figure or 80 % bound, as a factor: the wider band may leave the picture."""

NAMES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "actual": "what came", "forecast": "forecast, with 80 and 95 %", "none": "no forecast: too few days"
    },
    "pt-BR": {
        "actual": "o que veio", "forecast": "previsão, com 80 e 95 %", "none": "sem previsão: poucos dias"
    },
}  # fmt: skip


def forecast_plot_png(
    history: pl.DataFrame, points: pl.DataFrame, metric: str, title: str, language: str = "en"
) -> bytes:
    """The plot of one metric of one entity as a PNG picture.

    `history` has date and value (null: nothing known), `points` are those of the forecast in FORECAST_POINTS
    or SCORED_POINTS; without points the plot says that there is no forecast.
    """
    return picture(_spec(history, points, metric, title, language), SCALES[0], language)


def forecast_plot_markdown(
    history: pl.DataFrame, points: pl.DataFrame, metric: str, title: str, language: str = "en"
) -> str:
    """The same as a Markdown image that carries its data, for a run's metadata; empty if too large."""
    return markdown_image(_spec(history, points, metric, title, language), title, language)


def _spec(
    history: pl.DataFrame, points: pl.DataFrame, metric: str, title: str, language: str
) -> dict[str, Any]:
    words = {**WORDS.get(language, WORDS["en"]), **NAMES.get(language, NAMES["en"])}
    came = history.sort("date").tail(HISTORY_DAYS).select("date", actual=pl.col("value").cast(pl.Float64))
    ahead = points.sort("target_date").select(
        pl.col("predicted_value").alias("forecast"), "lower_80", "upper_80", "lower_95", "upper_95",
        date="target_date",
        actual=pl.col("actual_value") if "actual_value" in points.columns else pl.lit(None, pl.Float64),
    )  # fmt: skip
    days = pl.concat([came, ahead], how="diagonal").with_columns(day=day_text(pl.col("date")))
    highest = float(
        days.select(pl.max_horizontal(pl.col("actual", "upper_80", "forecast").max())).item() or 1.0
    )
    chart = Chart(
        title=[title] if ahead.height else [title, words["none"]],
        axis_title=words.get(metric, metric.upper()),
        axis_format=".2%" if metric == "ctr" else (",.2~f" if highest < SMALL else ",.0f"),
        highest=highest * ROOM,
        legend={words["actual"]: ACTUAL, words["forecast"]: FORECAST},
        days=days.drop("date").to_dicts(),
        language=language,
    )

    def band(level: int, opacity: float) -> dict[str, Any]:
        mark = {"type": "area", "color": BAND, "opacity": opacity}
        return chart.layer(mark, y=chart.y(f"lower_{level}"), y2={"field": f"upper_{level}"})

    def line(key: str, size: int) -> dict[str, Any]:
        mark = {"type": "line", "strokeWidth": 1.8, "point": {"size": size}}
        return chart.layer(mark, y=chart.y(key), color=chart.colour(words[key]))

    return chart.spec([band(95, 0.25), band(80, 0.45), line("forecast", 18), line("actual", 22)])
