"""What the asset `anomalies` reports of a partition beside its rows: incidents, plots, days not judged."""

import datetime as dt

import dagster as dg
import polars as pl

from ml_assets.anomalies.frames import SEVERITIES
from ml_assets.defs.keys import RunKeys
from ml_assets.defs.metadata import markdown_table
from ml_assets.defs.scope import MAX_NAMED
from ml_assets.entities import EntityType
from ml_assets.features.inputs import FeatureInputs
from ml_assets.report.incident_plot import incident_plot_markdown
from ml_assets.report.incidents import SHORT
from ml_assets.storage.incident_days import roots_of

SHOWN = 20
"""Rows of a table in a partition's metadata; the database holds the others."""

PLOTS = 3
"""Plots of a partition, worst incident first, where the run is of few partitions."""

FEW_PARTITIONS = 3
"""A run of more plots only the worst incident, on the newest dates of each level: a plot takes up to half a
second, and its picture stands in the event log."""

PLOTTED_DATES = 3
MONEY_DECIMALS = 2

Metadata = dict[tuple[str, dt.date], dict[str, dg.MetadataValue]]


def incident_metadata(
    keys: RunKeys, incidents: pl.DataFrame, not_judged: pl.DataFrame, figures: FeatureInputs, language: str
) -> Metadata:
    """(level, date) -> figures, tables and plots of each partition of the run.

    `incidents` (INCIDENTS) are those of all levels, the accounts' count with the campaigns; `not_judged` has
    config_id, entity_type, date, reason.
    """
    accounts = figures.accounts.select("config_id", account=pl.coalesce("name", "account_id"))
    found: Metadata = {}
    for level, dates in keys.dates.items():
        of_level = incidents.filter(pl.col("entity_type").is_in(roots_of(level)))
        by_date = _by_date(of_level, "evaluated_date")
        missing = _by_date(not_judged.filter(pl.col("entity_type") == level.value), "date")
        for date in dates:
            rows = by_date.get(date, incidents.clear())
            waiting = missing.get(date, not_judged.clear()).join(accounts, on="config_id", how="left")
            found[level.value, date] = {
                **_table("incidents", _issued(rows, accounts)),
                **_plots(rows, _plots_of(keys, level, date), language),
                **_figures(rows, date),
                "accounts_not_judged": dg.MetadataValue.int(waiting["config_id"].n_unique()),
                **_table("not_judged", waiting.select("account", "config_id", "reason")),
            }
    return found


def not_judged_notes(not_judged: pl.DataFrame) -> list[str]:
    """Which accounts were not judged on which dates, and why, in a few sentences."""
    told = (
        not_judged.group_by("config_id", "reason")
        .agg(first=pl.col("date").min(), dates=pl.col("date").n_unique())
        .sort("config_id", "first", "reason")
    )
    others = pl.col("dates") - 1
    lines = told.head(MAX_NAMED).select(
        pl.format(
            "Account {} is not judged, or only in part, on {}{}: {}",
            "config_id",
            pl.col("first").dt.to_string(),
            pl.when(others > 0).then(pl.format(" and {} further dates", others)).otherwise(pl.lit("")),
            "reason",
        )
    )
    rest = told.height - lines.height
    return [*lines.to_series(), *([f"{rest} further reasons stand with the partitions."] if rest else [])]


def _by_date(frame: pl.DataFrame, column: str) -> dict[dt.date, pl.DataFrame]:
    return {date: part for (date,), part in frame.partition_by(column, as_dict=True).items()}


def _figures(rows: pl.DataFrame, date: dt.date) -> dict[str, dg.MetadataValue]:
    """How many incidents there are, and the money of those that are issued."""
    is_open, is_issued = pl.col("status") == "open", pl.col("alert_rank").is_not_null()
    counts = rows.select(
        incidents_open=is_open.sum(),
        incidents_issued=is_issued.sum(),
        incidents_new=(pl.col("onset_date") == date).sum(),
        incidents_closed=(~is_open).sum(),
    ).row(0, named=True)
    money = rows.filter(is_issued)["money"].fill_nan(None).sum()
    return {
        **{name: dg.MetadataValue.int(count) for name, count in counts.items()},
        "money_of_issued": dg.MetadataValue.float(round(float(money), MONEY_DECIMALS)),
    }


def _issued(rows: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """What is issued, worst first, in the words of a marketer."""
    return (
        _worst_first(rows)
        .join(accounts, on="config_id", how="left", maintain_order="left")
        .select(
            *(["account"] if accounts.height > 1 else []),
            "severity",
            pl.col("description").alias("what happened"),
            "money",
            "status",
            pl.col("incident_id").str.head(SHORT).alias("incident"),
        )
    )


def _worst_first(rows: pl.DataFrame) -> pl.DataFrame:
    severity = pl.col("severity").replace_strict(
        {name: index for index, name in enumerate(SEVERITIES)}, default=-1, return_dtype=pl.Int8
    )
    return rows.filter(pl.col("alert_rank").is_not_null()).sort(
        severity, "alert_rank", -pl.col("money"), "config_id", "incident_id",
        descending=[True, False, False, False, False], nulls_last=True,
    )  # fmt: skip


def _plots_of(keys: RunKeys, level: EntityType, date: dt.date) -> int:
    """How many incidents of a partition are plotted."""
    if keys.partition_count <= FEW_PARTITIONS:
        return PLOTS
    return int(date in keys.dates[level][-PLOTTED_DATES:])


def _plots(rows: pl.DataFrame, count: int, language: str) -> dict[str, dg.MetadataValue]:
    worst = _worst_first(rows).head(count).to_dicts()
    drawn = [text for text in (incident_plot_markdown(row, language) for row in worst) if text]
    return {
        "plot" if number == 1 else f"plot_{number}": dg.MetadataValue.md(text)
        for number, text in enumerate(drawn, 1)
    }


def _table(name: str, rows: pl.DataFrame) -> dict[str, dg.MetadataValue]:
    if rows.is_empty():
        return {}
    return {name: dg.MetadataValue.md(markdown_table(rows.head(SHOWN)))}
