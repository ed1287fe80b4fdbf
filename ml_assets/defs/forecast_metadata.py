"""What the asset `forecasts` reports of a partition beside its figures: a preview, plots, Prophet's reach."""

import datetime as dt
from collections.abc import Mapping

import dagster as dg
import polars as pl

from ml_assets.defs.keys import RunKeys
from ml_assets.defs.metadata import PREVIEW_ROWS, markdown_table
from ml_assets.entities import EntityType
from ml_assets.features.inputs import FeatureInputs
from ml_assets.forecasts.candidates import ForecastPolicy
from ml_assets.forecasts.frames import METRICS, UNATTRIBUTED
from ml_assets.report.forecast_plot import HISTORY_DAYS, forecast_plot_markdown

PLOTTED = 2
"""Entities of a partition, the largest by the spend to come."""

PLOTTED_METRICS = ("spend", "leads")
FEW_PARTITIONS = 3
"""A run of more plots its newest date alone: a plot takes up to half a second, and its picture stands in
the event log."""

PREVIEWED = ("spend", "leads", "cpl")
PROPHET = "prophet"

Metadata = dict[tuple[str, dt.date], dict[str, dg.MetadataValue]]


def forecast_metadata(
    keys: RunKeys,
    rows: pl.DataFrame,
    points: Mapping[EntityType, pl.DataFrame],
    figures: FeatureInputs,
    language: str,
) -> Metadata:
    """(level, date) -> preview and plots of each partition of a run.

    `rows` (FORECASTS) are those of all levels, `points` (FORECAST_POINTS) those of each.
    """
    previews = forecast_previews(rows, figures.entities)
    plots = forecast_plots(keys, points, figures, language)
    return {key: {**previews.get(key, {}), **plots.get(key, {})} for key in {**previews, **plots}}


def forecast_previews(rows: pl.DataFrame, entities: pl.DataFrame) -> Metadata:
    """(level, date) -> totals of the entities with the most spend to come, 80 % intervals beside them."""
    key = ["config_id", "entity_type", "entity_id"]
    totals = {"": "total_value", "_lower_80": "total_lower_80", "_upper_80": "total_upper_80"}
    largest = (
        rows.filter(~pl.col("entity_id").str.starts_with(UNATTRIBUTED))
        .group_by(*key, "forecast_date", "horizon_days")
        .agg(
            *(
                pl.col(column).filter(pl.col("target_metric") == metric).first().alias(f"{metric}{end}")
                for metric in PREVIEWED
                for end, column in totals.items()
            ),
            pl.col("method").filter(pl.col("target_metric") == "leads").first(),
        )
        .sort("spend", *key, descending=[True, False, False, False], nulls_last=True)
        .group_by("entity_type", "forecast_date", maintain_order=True)
        .head(PREVIEW_ROWS)
        .join(entities.select(*key, "name"), on=key, how="left", maintain_order="left")
    )
    shown = [f"{metric}{end}" for metric in PREVIEWED for end in totals]
    return {
        (str(level), date): {
            "preview": dg.MetadataValue.md(markdown_table(part.select("name", *shown, "method", "entity_id")))
        }
        for (level, date), part in largest.partition_by("entity_type", "forecast_date", as_dict=True).items()
    }


def forecast_plots(
    keys: RunKeys, points: Mapping[EntityType, pl.DataFrame], figures: FeatureInputs, language: str
) -> Metadata:
    """(level, date) -> plots of spend and leads of the largest entities; of many dates those of the newest.

    `points` (FORECAST_POINTS) are those of each level of the run.
    """
    newest = keys.end if keys.partition_count > FEW_PARTITIONS else None
    return {
        (level.value, date): _plots(points[level].filter(pl.col("forecast_date") == date), figures, language)
        for level, dates in keys.dates.items()
        for date in dates
        if newest in {None, date}
    }


def prophet_notes(rows: pl.DataFrame, policy: ForecastPolicy) -> list[str]:
    """How many series of a run Prophet reached within its seconds; nothing where it is not chosen.

    `rows` in FORECASTS; those it reached have a weight of it in `backtest`.
    """
    if PROPHET not in policy.methods:
        return []
    weight = pl.col("backtest").str.json_path_match(f"$.weights.{PROPHET}").cast(pl.Float64, strict=False)
    series = rows.filter(pl.col("target_metric").is_in(METRICS))
    reached = series.filter(weight > 0).height
    return [
        f"Prophet forecast {reached} of {series.height} series of these partitions within its "
        f"{policy.prophet_seconds:g} seconds a date, the largest first; `backtest` says which. The others "
        "rest on the other methods."
    ]


def _plots(points: pl.DataFrame, figures: FeatureInputs, language: str) -> dict[str, dg.MetadataValue]:
    key = ["config_id", "entity_type", "entity_id"]
    largest = (
        points.filter(pl.col("target_metric") == "spend", ~pl.col("entity_id").str.starts_with(UNATTRIBUTED))
        .group_by(key)
        .agg(pl.col("predicted_value").sum(), pl.col("forecast_date").first())
        .sort("predicted_value", *key, descending=[True, False, False, False])
        .head(PLOTTED)
        .join(figures.entities.select(*key, "name"), on=key, how="left", maintain_order="left")
    )
    plots: dict[str, dg.MetadataValue] = {}
    for place, row in enumerate(largest.to_dicts(), start=1):
        is_entity = [pl.col(name) == row[name] for name in key]
        date = row["forecast_date"]
        days = pl.DataFrame(
            {"date": pl.date_range(date - dt.timedelta(days=HISTORY_DAYS - 1), date, eager=True)}
        )
        came = days.join(figures.metrics.filter(*is_entity), on="date", how="left")
        for metric in PLOTTED_METRICS:
            image = forecast_plot_markdown(
                came.select("date", value=pl.col(metric).fill_null(0)),
                points.filter(*is_entity, pl.col("target_metric") == metric),
                metric,
                row["name"] or row["entity_id"],
                language,
            )
            if image:
                plots[f"plot_{place}_{metric}"] = dg.MetadataValue.md(image)
    return plots
