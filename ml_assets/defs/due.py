"""One look at a tick: the run it asks for, or why there is none. Schedules and sensors both look here."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from sqlalchemy import Engine

from ml_assets.defs.jobs import REFRESH, TICK_TAG
from ml_assets.defs.keys import partition_key, range_tags
from ml_assets.defs.partitions import dates as date_partitions
from ml_assets.defs.standing import ACTIVE, account_clocks, made_at, standing_of
from ml_assets.entities import LEVELS
from ml_assets.settings import settings
from ml_assets.timetable.jobs import Days
from ml_assets.timetable.readiness import Ready, decide, needs
from ml_assets.timetable.ticks import AccountClock, Tick, days_of

MOST_TRIES = 2
"""Runs of a tick at most: one that failed is tried once more."""

WITHOUT_TAG = "ml_assets/without"
"""Accounts that a run did not wait for any longer."""


@dataclass(frozen=True)
class Look:
    """What a tick leads to."""

    run: dg.RunRequest | None = None
    bring: dg.RunRequest | None = None
    """Figures that have to be made first, and that nobody makes yet."""
    reason: str = ""
    """Why there is no run; empty where there is one, or was."""
    is_settled: bool = False
    """Whether the tick has its run already."""


def look(instance: dg.DagsterInstance, engine: Engine, tick: Tick, now: dt.datetime) -> Look:
    """What the tick leads to at `now`. Asks for no second run where one succeeded or is under way."""
    runs = instance.get_runs(dg.RunsFilter(tags={TICK_TAG: tick.key}))
    alive = (*ACTIVE, dg.DagsterRunStatus.SUCCESS)
    if any(run.status in alive for run in runs):
        return Look(is_settled=True, reason=f"{tick.key} has its run.")
    if len(runs) >= MOST_TRIES:
        return Look(is_settled=True, reason=f"{tick.key} failed {len(runs)} times; mend what its runs say.")
    with engine.connect() as connection:
        accounts = account_clocks(connection, now)
        days = _days(instance, tick, accounts)
        if not days:
            return Look(reason="There is no active account yet.")
        without: tuple[str, ...] = ()
        if tick.job.is_daily:
            standing = standing_of(instance, connection, days[0], needs(tick), accounts)
            decision = decide(tick, days[0], standing, accounts, now, settings().late_hours)
            if not isinstance(decision, Ready):
                bring = figures_of(days[0], standing.figures_at) if decision.bring else None
                return Look(reason=f"{tick.key} waits. {decision.reason}", bring=bring)
            without = decision.without
    tags = {TICK_TAG: tick.key, **({WITHOUT_TAG: ", ".join(without)} if without else {})}
    key = f"{tick.key}|{len(runs) + 1}"
    levels = tick.job.levels
    if len(days) == 1 and len(levels) == 1:
        run = dg.RunRequest(
            run_key=key, job_name=tick.job.name, partition_key=partition_key(days[0], levels[0]), tags=tags
        )
    else:
        run = dg.RunRequest(
            run_key=key, job_name=tick.job.name, tags={**tags, **range_tags(days[0], days[-1], levels)}
        )
    return Look(run=run)


def figures_of(date: dt.date, figures_at: dt.datetime | None) -> dg.RunRequest:
    """The run that makes the entity metrics of a date, once for each reading."""
    return dg.RunRequest(
        run_key=f"entity_metrics|{date}|{figures_at}",
        job_name=REFRESH,
        asset_selection=[dg.AssetKey("entity_metrics")],
        tags=range_tags(date, date, LEVELS),
    )


def _days(instance: dg.DagsterInstance, tick: Tick, accounts: Sequence[AccountClock]) -> list[dt.date]:
    """The days of the tick that have partitions."""
    judged_at = None
    if tick.job.days == Days.RUNNING and accounts:
        before = max(account.today(tick.scheduled) for account in accounts) - dt.timedelta(days=1)
        level = tick.job.levels[0]
        judged_at = made_at(instance, tick.job.assets[0], before, [level]).get(level)
    there = set(date_partitions.get_partition_keys(current_time=tick.scheduled))
    return [day for day in days_of(tick, accounts, judged_at) if day.isoformat() in there]
