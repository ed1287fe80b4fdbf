"""What the asset `forecasts` reports of a partition beside its rows: plots of the largest entities."""

import datetime as dt
from collections.abc import Mapping

import dagster as dg
import polars as pl

from ml_assets.defs.keys import RunKeys
from ml_assets.entities import EntityType
from ml_assets.features.inputs import FeatureInputs
from ml_assets.forecasts.frames import UNATTRIBUTED
from ml_assets.report.forecast_plot import HISTORY_DAYS, forecast_plot_markdown

PLOTTED = 2
"""Entities of a partition, the largest by the spend to come, where the run is of few partitions."""

PLOTTED_METRICS = ("spend", "leads")
FEW_PARTITIONS = 3
"""A run of more plots nothing: a plot takes up to half a second, and its picture stands in the event log."""

Metadata = dict[tuple[str, dt.date], dict[str, dg.MetadataValue]]


def forecast_plots(
    keys: RunKeys, points: Mapping[EntityType, pl.DataFrame], figures: FeatureInputs, language: str
) -> Metadata:
    """(level, date) -> plots of spend and leads of the largest entities; none in runs of many partitions.

    `points` (FORECAST_POINTS) are those of each level of the run.
    """
    if keys.partition_count > FEW_PARTITIONS:
        return {}
    return {
        (level.value, date): _plots(points[level].filter(pl.col("forecast_date") == date), figures, language)
        for level, dates in keys.dates.items()
        for date in dates
    }


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
