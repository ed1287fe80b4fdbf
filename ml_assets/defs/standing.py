"""What is there of a date and what runs are making, read from the Dagster instance and the database."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs.checks.standing import failed_blocking_checks
from ml_assets.defs.jobs import REFRESH, REFRESHED
from ml_assets.defs.keys import RANGE_END_TAG, RANGE_START_TAG, partition_key, run_keys
from ml_assets.defs.partitions import DATE, partitions
from ml_assets.defs.scope import RESTRICTED_TAG
from ml_assets.defs.tries import ACTIVE
from ml_assets.entities import LEVELS, EntityType
from ml_assets.storage.readings import newest_reading_by_account, newest_reading_of
from ml_assets.storage.reads import read_accounts
from ml_assets.timetable.jobs import JOBS
from ml_assets.timetable.readiness import Place, Standing
from ml_assets.timetable.ticks import AccountClock

if TYPE_CHECKING:
    from sqlalchemy import Connection

PARTITION_TAG = "dagster/partition"

_ASSETS = {**{job.name: job.assets for job in JOBS}, REFRESH: REFRESHED}
_READ_DAYS = 7
_MOST_RECORDS = 50


def account_clocks(connection: "Connection", now: dt.datetime) -> list[AccountClock]:
    """The active accounts."""
    accounts = read_accounts(connection)
    read = newest_reading_by_account(connection, now.date() - dt.timedelta(days=_READ_DAYS))
    return [
        AccountClock(
            config_id=row["config_id"],
            name=row["name"] or row["account_id"],
            timezone=row["timezone"] or "UTC",
            read_at=read.get(row["config_id"]),
        )
        for row in accounts.select("config_id", "name", "account_id", "timezone").to_dicts()
    ]


def made_at(
    instance: dg.DagsterInstance, asset: str, date: dt.date, levels: Iterable[EntityType] = LEVELS
) -> dict[EntityType, dt.datetime]:
    """Level -> when the partitions of a date were last made as a whole; levels never made are not there."""
    keys = {str(partition_key(date, level)): level for level in levels}
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=list(keys)), limit=_MOST_RECORDS
    ).records
    found: dict[EntityType, dt.datetime] = {}
    for record in records:  # the newest first
        made = record.asset_materialization
        if made is None or made.partition is None or RESTRICTED_TAG in (made.tags or {}):
            continue
        found.setdefault(keys[made.partition], dt.datetime.fromtimestamp(record.timestamp, dt.UTC))
    return found


def active_places(instance: dg.DagsterInstance) -> set[tuple[str, EntityType, dt.date]]:
    """(asset, level, date) of what runs are making, or are queued for."""
    found: set[tuple[str, EntityType, dt.date]] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=list(ACTIVE))):
        chosen = run.asset_selection
        assets = [key.to_user_string() for key in chosen] if chosen else _ASSETS.get(run.job_name, ())
        for level, dates in _dates_of(run.tags).items():
            found |= {(asset, level, date) for asset in assets for date in dates}
    return found


def standing_of(
    instance: dg.DagsterInstance,
    connection: "Connection",
    date: dt.date,
    needed: Sequence[Place],
    accounts: Sequence[AccountClock],
) -> Standing:
    """What is there of `date` of what a tick needs."""
    made: dict[Place, dt.datetime] = {}
    failed: dict[Place, str] = {}
    for asset in dict.fromkeys(asset for asset, _ in needed):
        levels = [level for name, level in needed if name == asset]
        made |= {(asset, level): moment for level, moment in made_at(instance, asset, date, levels).items()}
        keys = {str(partition_key(date, level)): level for level in levels}
        for key, _, sentence in failed_blocking_checks(instance, dg.AssetKey(asset), list(keys)):
            failed.setdefault((asset, keys[key]), sentence)
    return Standing(
        made=made,
        under_way=frozenset((asset, level) for asset, level, day in active_places(instance) if day == date),
        figures_at=newest_reading_of(connection, date, [account.config_id for account in accounts]),
        failed=failed,
    )


def _dates_of(tags: Mapping[str, str]) -> dict[EntityType, tuple[dt.date, ...]]:
    """Level -> dates that a run asks for."""
    if PARTITION_TAG in tags:
        return run_keys([tags[PARTITION_TAG]]).dates
    if RANGE_START_TAG not in tags:
        return {}
    ends = [
        partitions.get_partition_key_from_str(tags[name]).keys_by_dimension
        for name in (RANGE_START_TAG, RANGE_END_TAG)
    ]
    start, end = (dt.date.fromisoformat(end[DATE]) for end in ends)
    first, last = (LEVELS.index(EntityType(end["entity_type"])) for end in ends)
    dates = tuple(start + dt.timedelta(days=number) for number in range((end - start).days + 1))
    return dict.fromkeys(LEVELS[first : last + 1], dates)
