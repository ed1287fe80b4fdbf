"""A picture of a forecast: what came before, the mean of what comes, and the bands of 80 and 95 %."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from ml_assets.report.incident_plot import HEIGHT, WIDTH, WORDS
from ml_assets.report.pictures import CONFIG, SCALES, markdown_image, picture, title_of

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
    days = pl.concat([came, ahead], how="diagonal").with_columns(
        # with a time the day is read in the time zone it is drawn in
        day=pl.col("date").dt.strftime("%Y-%m-%dT00:00:00")
    )
    highest = float(
        days.select(pl.max_horizontal(pl.col("actual", "upper_80", "forecast").max())).item() or 1.0
    )
    titles = [title] if ahead.height else [title, words["none"]]
    is_portuguese = language == "pt-BR"
    x = {
        "field": "day",
        "type": "temporal",
        "scale": {"padding": 8},
        "axis": {
            "format": "%d/%m" if is_portuguese else "%b %-d", "tickCount": 7, "grid": False, "title": None
        },
    }  # fmt: skip
    scale = {"domain": [0, highest * ROOM], "nice": True}
    form = ".2%" if metric == "ctr" else (",.2~f" if highest < SMALL else ",.0f")

    def y(field: str) -> dict[str, Any]:
        axis = {"format": form, "tickCount": 5, "title": words.get(metric, metric.upper())}
        return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}

    def colour(key: str) -> dict[str, Any]:
        names = [words["actual"], words["forecast"]]
        return {
            "datum": words[key],
            "scale": {"domain": names, "range": [ACTUAL, FORECAST]},
            "legend": {"title": None, "orient": "bottom", "symbolType": "circle"},
        }

    def layer(mark: dict[str, Any], **encoding: Any) -> dict[str, Any]:  # noqa: ANN401 - of Vega-Lite
        return {"mark": {"clip": True, **mark}, "encoding": {"x": x, **encoding}}

    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": WIDTH,
        "height": HEIGHT,
        "background": "white",
        "padding": 10,
        "title": title_of(titles),
        "data": {"values": days.drop("date").to_dicts()},
        "layer": [
            layer(
                {"type": "area", "color": BAND, "opacity": 0.25}, y=y("lower_95"), y2={"field": "upper_95"}
            ),
            layer(
                {"type": "area", "color": BAND, "opacity": 0.45}, y=y("lower_80"), y2={"field": "upper_80"}
            ),
            layer(
                {"type": "line", "strokeWidth": 1.8, "point": {"size": 18}},
                y=y("forecast"),
                color=colour("forecast"),
            ),
            layer(
                {"type": "line", "strokeWidth": 1.8, "point": {"size": 22}},
                y=y("actual"),
                color=colour("actual"),
            ),
        ],
        "config": CONFIG,
    }
