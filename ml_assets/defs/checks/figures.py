"""Checks of the asset `entity_metrics`, and what they say of stored figures for whoever decides by them."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from ml_assets.checks.figures import COLUMNS, HISTORY_DAYS, check_figures, check_volume
from ml_assets.checks.verdicts import FIGURE_CHECKS, LEVEL_DAY
from ml_assets.defs.checks.evaluations import CheckEvents, check_events, partitioned_spec, specs_by_name
from ml_assets.defs.keys import run_keys
from ml_assets.defs.resources import DatabaseResource
from ml_assets.defs.scope import explained, with_last_finished_date
from ml_assets.entities import LEVELS
from ml_assets.entity_metrics import newest_readings
from ml_assets.frames import ENTITY_METRICS, fill_missing
from ml_assets.storage.reads import insight_days, read_accounts, read_entities, read_table
from ml_assets.storage.tables import MLEntityMetrics

if TYPE_CHECKING:
    from sqlalchemy import Connection

ASSET = "entity_metrics"

SPECS = (
    partitioned_spec(ASSET, "keys_unique", "An entity has one row on a day.", measures="rows_too_many"),
    partitioned_spec(
        ASSET,
        "no_orphans",
        "The campaign of every adset and the adset of every ad are known.",
        measures="orphans",
    ),
    partitioned_spec(
        ASSET,
        "within_bounds",
        "No figure is negative or no number, a level has no more clicks than impressions, and an account "
        "spends no more than 20 times its largest day of four weeks.",
        measures="impossible_rows",
    ),
    partitioned_spec(
        ASSET,
        "levels_reconcile",
        "Spend, impressions, clicks and leads of children sum to their parent, but for the difference that "
        "is stored; where a source delivers several levels, they differ as they usually do.",
        measures="parents_that_do_not_add_up",
    ),
    partitioned_spec(
        ASSET,
        "volume_usual",
        "Impressions of an account are within a fifth and five times those of the same weekday of the four "
        "weeks before.",
    ),
)


@dataclass(frozen=True)
class StoredFigures:
    """Stored entity metrics of all levels (`COLUMNS` of ENTITY_METRICS), and what was asked of them."""

    metrics: pl.DataFrame
    dates: tuple[dt.date, ...]
    running: pl.DataFrame
    verdicts: pl.DataFrame
    """VERDICTS of `FIGURE_CHECKS`, all levels and dates."""
    stale: pl.DataFrame
    """LEVEL_DAY of rows that are older than the insights: what reads them makes them anew."""

    @property
    def trusted(self) -> pl.DataFrame:
        """The verdicts on rows that are read as they are stored."""
        return self.verdicts.join(self.stale, on=LEVEL_DAY, how="anti")


def read_stored_figures(
    connection: "Connection", accounts: pl.DataFrame, start: dt.date, end: dt.date, now: dt.datetime
) -> StoredFigures:
    """What stands in `ml_entity_metrics` for the days [start, end] of `accounts`, checked; one query a table.

    `now` tells which days are over where an account is.
    """
    config_ids = accounts["config_id"].to_list()
    since = start - dt.timedelta(days=HISTORY_DAYS)
    metrics = read_table(connection, MLEntityMetrics, since, end, LEVELS, config_ids, columns=COLUMNS)
    dates = tuple(start + dt.timedelta(days=back) for back in range((end - start).days + 1))
    newest = newest_readings(insight_days(connection, start, end, config_ids))
    stale = (
        metrics.filter(pl.col("date") >= start)
        .group_by(LEVEL_DAY)
        .agg(stored_at=pl.col("known_at").max())
        .join(newest, on=LEVEL_DAY)
        .filter(pl.col("stored_at").is_null() | (pl.col("stored_at") < pl.col("known_at")))
        .select(LEVEL_DAY)
    )
    running = (
        with_last_finished_date(accounts, now)
        .select("config_id", "last_finished_date")
        .join(pl.DataFrame({"date": pl.Series(dates, dtype=pl.Date)}), how="cross")
        .filter(pl.col("date") > pl.col("last_finished_date"))
        .select("config_id", "date")
    )
    entities = read_entities(connection, LEVELS, config_ids)
    rows = fill_missing(metrics, ENTITY_METRICS)
    found = check_figures(rows, entities, accounts, dates, stale=stale, running=running)
    return StoredFigures(rows, dates, running, found, stale)


@dg.multi_asset_check(name="entity_metrics_checks", specs=list(SPECS))
def entity_metrics_checks(context: dg.AssetCheckExecutionContext, database: DatabaseResource) -> CheckEvents:
    """All checks of entity metrics, in one reading of all partitions of the run.

    A failure stops the recommendations of its level and date, which look it up; what tells of the cause, the
    anomalies before all, goes on.
    """
    with explained():
        keys = run_keys(context.partition_keys)
        with database.engine.connect() as connection:
            accounts = read_accounts(connection)
            stored = read_stored_figures(connection, accounts, keys.start, keys.end, dt.datetime.now(dt.UTC))
    specs = specs_by_name(SPECS)
    for name in FIGURE_CHECKS:
        yield from check_events(context, specs[name], keys, stored.verdicts, stops_run=False)
    volume = check_volume(stored.metrics, stored.dates, running=stored.running)
    median = volume["figure"].median()
    yield from check_events(
        context,
        specs["volume_usual"],
        keys,
        volume,
        severity=dg.AssetCheckSeverity.WARN,
        numbers={} if not isinstance(median, float) else {"volume_ratio_median": median},
    )
