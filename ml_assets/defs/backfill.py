"""A backfill in this process, without daemon or webserver: few runs, in order, on the real instance.

The runs and materializations are those the UI shows. What an asset does with a partition is in `assets`.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl

from ml_assets.anomalies.inputs import LOOKBACK_DAYS as ANOMALY_LOOKBACK_DAYS
from ml_assets.classification import LOOKBACK_DAYS as CLASSIFICATION_LOOKBACK_DAYS
from ml_assets.defs.assets.anomalies import anomalies
from ml_assets.defs.assets.classifications import classifications
from ml_assets.defs.assets.entity_metrics import entity_metrics
from ml_assets.defs.assets.features import features
from ml_assets.defs.assets.forecasts import forecasts
from ml_assets.defs.assets.insights import insights
from ml_assets.defs.assets.recommendations import recommendations
from ml_assets.defs.checks import ALL_CHECKS
from ml_assets.defs.event_storage import quick_event_storage
from ml_assets.defs.failures import first_failure
from ml_assets.defs.keys import partition_key, range_tags
from ml_assets.defs.partitions import dates as date_partitions
from ml_assets.defs.resources import DatabaseResource
from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import RunFailedError, UsageError
from ml_assets.features.inputs import LOOKBACK_DAYS as FEATURE_LOOKBACK_DAYS
from ml_assets.forecasts.inputs import LOOKBACK_DAYS as FORECAST_LOOKBACK_DAYS
from ml_assets.recommendations.inputs import LOOKBACK_DAYS as DECISION_LOOKBACK_DAYS
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets.storage.reads import insight_days, read_accounts
from ml_assets.storage.schema import require_head

if TYPE_CHECKING:
    from sqlalchemy import Connection

ASSETS = (insights, entity_metrics, features, classifications, anomalies, forecasts, recommendations)
"""What a backfill can materialize, upstream first."""

LOOKBACKS = {
    "features": FEATURE_LOOKBACK_DAYS,
    "classifications": CLASSIFICATION_LOOKBACK_DAYS,
    "anomalies": ANOMALY_LOOKBACK_DAYS,
    "forecasts": FORECAST_LOOKBACK_DAYS,
    "recommendations": DECISION_LOOKBACK_DAYS,
}
"""Asset -> days before a date whose figures it reads."""

WHOLE_TREE = {"anomalies", "forecasts"}
"""Assets that read all levels, whichever they write."""

ASSET_NAMES = tuple(asset.key.to_user_string() for asset in ASSETS)
LAUNCHED_BY_TAG = "ml_assets/launched_by"


@dataclass(frozen=True)
class Progress:
    """How far a backfill is: `done` of `total` partitions over all assets, `asset` being worked on."""

    asset: str
    done: int
    total: int


@dataclass(frozen=True)
class RunPart:
    """One run: these assets over a range of dates of neighbouring levels."""

    assets: tuple[str, ...]
    levels: tuple[EntityType, ...]
    start: dt.date
    end: dt.date

    @property
    def partition_count(self) -> int:
        """Materializations the run makes."""
        return len(self.assets) * len(self.levels) * ((self.end - self.start).days + 1)

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which Dagster knows the range."""
        return {**range_tags(self.start, self.end, self.levels), LAUNCHED_BY_TAG: "ml-assets run"}


@dataclass(frozen=True)
class RunSummary:
    """What a backfill did: its runs, materializations per asset, and where the seconds went."""

    run_ids: tuple[str, ...]
    materialized: dict[str, int]
    seconds: float
    seconds_computing: dict[str, float]
    """Reading, computing and writing, per asset."""
    seconds_recording: dict[str, float]
    """Dagster's storing of the materializations, per asset."""


def run_range(
    start: dt.date,
    end: dt.date,
    entity_types: Sequence[EntityType] = LEVELS,
    assets: Sequence[str] = ASSET_NAMES,
    progress: Callable[[Progress], None] | None = None,
    *,
    instance: dg.DagsterInstance,
    database_url: str | None = None,
) -> RunSummary:
    """Materialize `assets` for the days [start, end] of the levels, each run one range of several days.

    Levels and assets go in the order of the graph whatever order they are given in: all levels of an asset
    are done before the next asset begins, campaigns before adsets before ads. What the assets look back on is
    brought too where it was never materialized: insights of accounts with a source, and entity metrics.

    `progress` is told of every materialization. `database_url` None: that of the settings. Raises UsageError
    for days outside of the partitions and names that do not exist, NotReadyError where the database is not
    ready, RunFailedError with the first failure's sentence where a run does not finish.
    """
    began = time.monotonic()
    chosen, levels = _checked(start, end, entity_types, assets)
    meter = _Meter(progress)
    job = dg.Definitions(
        assets=ASSETS,
        asset_checks=ALL_CHECKS,
        resources={"database": DatabaseResource(url=database_url or "")},
        loggers={"progress": dg.LoggerDefinition(lambda _: meter.logger())},
    ).resolve_implicit_global_asset_job_def()
    run_ids: list[str] = []

    def execute(parts: Sequence[RunPart]) -> None:
        meter.total = meter.done + sum(part.partition_count for part in parts)
        for part in parts:
            with quick_event_storage(Path(instance.root_directory)):
                result = job.execute_in_process(
                    instance=instance,
                    asset_selection=[dg.AssetKey(name) for name in part.assets],
                    run_config={"loggers": {"progress": {}}},
                    tags=part.tags,
                    raise_on_error=False,
                )
            run_ids.append(result.run_id)
            if not result.success:
                raise RunFailedError(f"Run {result.run_id} failed: {first_failure(result.all_events)}")

    engine = create_engine(database_url)
    try:
        require_head(engine)
        history: list[RunPart] = []
        lookback = max(LOOKBACKS.get(name, 0) for name in chosen)
        if lookback:
            first = max(settings().first_date, start - dt.timedelta(days=lookback))
            with engine.connect() as connection:
                missing = missing_insights(connection, instance, first, start)
            execute(missing)
            with engine.connect() as connection:
                read = LEVELS if WHOLE_TREE & set(chosen) else levels[-1].path
                history = missing_entity_metrics(connection, instance, first, start, read)
    finally:
        engine.dispose()
    execute([*history, *(RunPart(chosen, group, start, end) for group in _neighbouring(levels))])
    return RunSummary(
        tuple(run_ids), meter.materialized, time.monotonic() - began, meter.computing, meter.recording
    )


def _checked(
    start: dt.date, end: dt.date, entity_types: Sequence[EntityType], assets: Sequence[str]
) -> tuple[tuple[str, ...], tuple[EntityType, ...]]:
    """The assets and levels in the order of the graph; UsageError for what is not there."""
    unknown = sorted(set(assets) - set(ASSET_NAMES))
    if unknown or not assets:
        raise UsageError(
            f"There is no asset {', '.join(unknown) or 'chosen'}; there are {', '.join(ASSET_NAMES)}."
        )
    if not entity_types:
        raise UsageError(f"No level is chosen; there are {', '.join(LEVELS)}.")
    days = date_partitions.get_partition_keys()
    if start > end or start.isoformat() not in days or end.isoformat() not in days:
        raise UsageError(
            f"The days {start} to {end} are not a range within {days[0]} to {days[-1]}; an earlier first "
            "day is set by ML_ASSETS_START_DATE."
        )
    return (
        tuple(name for name in ASSET_NAMES if name in assets),
        tuple(level for level in LEVELS if level in entity_types),
    )


def missing_insights(
    connection: "Connection", instance: dg.DagsterInstance, first: dt.date, start: dt.date
) -> list[RunPart]:
    """Days of [first, start) without figures of an account with a source, which was never asked for them."""
    pulled = read_accounts(connection).filter(pl.col("source").is_not_null())
    if pulled.is_empty() or start <= first:
        return []
    there = (
        insight_days(connection, first, start - dt.timedelta(days=1), pulled["config_id"].to_list())
        .group_by("date")
        .agg(pl.col("config_id").n_unique().alias("accounts"))
        .filter(pl.col("accounts") == pulled.height)["date"]
    )
    days = [day for day in days_until(first, start) if day not in set(there)]
    return _never_materialized(instance, "insights", LEVELS, days)


def missing_entity_metrics(
    connection: "Connection",
    instance: dg.DagsterInstance,
    first: dt.date,
    start: dt.date,
    levels: Sequence[EntityType],
) -> list[RunPart]:
    """Days of [first, start) from the first figures on that lack entity metrics of some of the levels.

    What reads them would conform them from the insights, at every run again.
    """
    if start <= first:
        return []
    there = insight_days(connection, first, start - dt.timedelta(days=1)).sort("date")
    if there.is_empty():
        return []
    return _never_materialized(instance, "entity_metrics", levels, days_until(there["date"][0], start))


def _never_materialized(
    instance: dg.DagsterInstance, asset: str, levels: Sequence[EntityType], days: Sequence[dt.date]
) -> list[RunPart]:
    """Runs of `asset` over those of `days` that lack a materialization at any of the levels."""
    complete = instance.get_materialized_partitions(dg.AssetKey(asset))
    missing = [day for day in days if any(partition_key(day, level) not in complete for level in levels)]
    return [RunPart((asset,), tuple(levels), begin, end) for begin, end in day_ranges(missing)]


def days_until(first: dt.date, end: dt.date) -> list[dt.date]:
    """Every day of [first, end)."""
    return [first + dt.timedelta(days=offset) for offset in range((end - first).days)]


def day_ranges(days: Sequence[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """First and last of each stretch of days without a gap."""
    for _, stretch in groupby(enumerate(days), lambda item: item[1] - dt.timedelta(days=item[0])):
        found = [day for _, day in stretch]
        yield found[0], found[-1]


def _neighbouring(levels: Sequence[EntityType]) -> list[tuple[EntityType, ...]]:
    """Levels that a range of partition keys can span: campaign and ad alone are two ranges."""
    if set(levels) == {LEVELS[0], LEVELS[-1]}:
        return [(level,) for level in levels]
    return [tuple(levels)]


class _Meter(logging.Handler):
    """Counts materializations as Dagster logs them, and times computing apart from recording."""

    def __init__(self, progress: Callable[[Progress], None] | None) -> None:
        super().__init__(logging.DEBUG)
        self.total = 0
        self.progress = progress
        self.done = 0
        self.materialized: dict[str, int] = {}
        self.computing: dict[str, float] = {}
        self.recording: dict[str, float] = {}
        self._since = time.monotonic()

    def logger(self) -> logging.Logger:
        """A logger of its own, so that nothing is printed beside the progress."""
        logger = logging.Logger("ml_assets.progress", logging.DEBUG)
        logger.addHandler(self)
        return logger

    def emit(self, record: logging.LogRecord) -> None:
        """Take what a run's event says; anything else logged is in the run's own log."""
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        if event is None:
            return
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            name = event.asset_key.to_user_string()
            self._add(self.recording if self.materialized.get(name) else self.computing, name)
            self.materialized[name] = self.materialized.get(name, 0) + 1
            self.done += 1
            self._tell(name)
        elif event.event_type == dg.DagsterEventType.STEP_START:
            self._since = time.monotonic()
            self._tell(event.step_key)

    def _add(self, seconds: dict[str, float], name: str) -> None:
        now = time.monotonic()
        seconds[name] = seconds.get(name, 0.0) + now - self._since
        self._since = now

    def _tell(self, asset: str) -> None:
        if self.progress is not None:
            self.progress(Progress(asset, self.done, self.total))
