"""One look at a tick: the run it asks for, or why there is none. Schedules and sensors both look here."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from sqlalchemy import Engine

from ml_assets.defs.jobs import REFRESH, TICK_TAG
from ml_assets.defs.keys import partition_key, range_tags
from ml_assets.defs.partitions import dates as date_partitions
from ml_assets.defs.standing import account_clocks, made_at, standing_of
from ml_assets.defs.tries import tries_of
from ml_assets.entities import LEVELS
from ml_assets.settings import settings
from ml_assets.timetable.affected import FIGURES
from ml_assets.timetable.jobs import Days
from ml_assets.timetable.readiness import Ready, decide, needs
from ml_assets.timetable.ticks import AccountClock, Tick, days_of, lately_over

FIGURES_TAG = "ml_assets/figures"
"""Names the date and the reading of figures that a run conforms for a tick that waits."""

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
    tries = tries_of(instance, TICK_TAG, tick.key)
    if tries.is_done or tries.is_under_way:
        return Look(is_settled=True, reason=f"{tick.key} has its run.")
    if not tries.may_be_asked:
        return Look(is_settled=True, reason=f"{tick.key} failed {tries.asked} times; mend what its runs say.")
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
                bring = figures_of(instance, days[0], standing.figures_at) if decision.bring else None
                return Look(reason=f"{tick.key} waits. {decision.reason}", bring=bring)
            without = decision.without
    tags = {TICK_TAG: tick.key, **({WITHOUT_TAG: ", ".join(without)} if without else {})}
    key = f"{tick.key}|{tries.asked + 1}"
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


def figures_of(
    instance: dg.DagsterInstance, date: dt.date, figures_at: dt.datetime | None
) -> dg.RunRequest | None:
    """The run that makes the entity metrics of a date, once for each reading; None: it failed too often."""
    key = f"{FIGURES}|{date}|{figures_at}"
    tries = tries_of(instance, FIGURES_TAG, key)
    if tries.asked and not tries.may_be_asked:
        return None
    return dg.RunRequest(
        run_key=f"{key}|{tries.asked + 1}",
        job_name=REFRESH,
        asset_selection=[dg.AssetKey(FIGURES)],
        tags={FIGURES_TAG: key, **range_tags(date, date, LEVELS)},
    )


def _days(instance: dg.DagsterInstance, tick: Tick, accounts: Sequence[AccountClock]) -> list[dt.date]:
    """The days of the tick that have partitions."""
    judged_at: dict[dt.date, dt.datetime] = {}
    if tick.job.days == Days.RUNNING and accounts:
        level = tick.job.levels[0]
        for day in lately_over(tick, accounts):
            made = made_at(instance, tick.job.assets[0], day, [level])
            if level in made:
                judged_at[day] = made[level]
    there = set(date_partitions.get_partition_keys(current_time=tick.scheduled))
    return [day for day in days_of(tick, accounts, judged_at) if day.isoformat() in there]
