"""Whether a tick may run: what it needs, what of it is there, and what it waits for otherwise."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ml_assets.entities import LEVELS, EntityType
from ml_assets.timetable.jobs import Days
from ml_assets.timetable.ticks import AccountClock, Tick

Place = tuple[str, EntityType]
"""An asset at a level."""

READ_LATELY = dt.timedelta(days=3)
"""An account that nothing was read of for so long is not waited for."""


@dataclass(frozen=True)
class Standing:
    """What is there of a date."""

    made: Mapping[Place, dt.datetime] = field(default_factory=dict)
    """When each was last made for all accounts and entities."""
    under_way: frozenset[Place] = frozenset()
    """What runs are making, or waiting in the queue for."""
    figures_at: dt.datetime | None = None
    """The newest reading of figures of the date."""
    failed: Mapping[Place, str] = field(default_factory=dict)
    """Sentences of blocking checks that failed and still stand."""


@dataclass(frozen=True)
class Ready:
    """The tick may run; `without` names accounts that it does not wait for any longer."""

    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """The tick waits; `bring` is what nobody makes yet."""

    reason: str
    bring: tuple[Place, ...] = ()


def needs(tick: Tick) -> tuple[Place, ...]:
    """What has to be there of the date before a daily tick runs, upstream first."""
    level = tick.job.entity_type
    if tick.job.days != Days.YESTERDAY or level is None:
        return ()
    assets = set(tick.job.assets)
    figures = LEVELS if "forecasts" in assets else level.path
    found: list[Place] = [("entity_metrics", each) for each in figures]
    if "classifications" in assets and level.parent is not None:
        found.append(("classifications", level.parent))
    if "recommendations" in assets:
        found += [("classifications", each) for each in level.path]
    return tuple(found)


def decide(
    tick: Tick,
    date: dt.date,
    standing: Standing,
    accounts: Sequence[AccountClock],
    now: dt.datetime,
    late_hours: float,
) -> Ready | Waiting:
    """Whether a daily tick may run for `date`.

    Jobs of the hour are always ready: they judge what is there by then. Accounts whose source was read since
    the day's end, or that nobody reads any more, are not waited for; others are, `late_hours` long.
    """
    needed = needs(tick)
    if not needed:
        return Ready()
    over = [account for account in accounts if account.end_of(date) <= now]
    if not over:
        return Waiting(f"{date} is not over yet in any account's time zone.")
    late = tuple(account.name for account in over if _is_late(account, date, now))
    if late and now - tick.scheduled < dt.timedelta(hours=late_hours):
        return Waiting(
            f"The figures of {date} are not there yet of {', '.join(late)}; it is waited for "
            f"{late_hours:g} hours, then the others go on."
        )
    return _standing_decision(tick, date, needed, standing) or Ready(late)


def _standing_decision(
    tick: Tick, date: dt.date, needed: Sequence[Place], standing: Standing
) -> Waiting | None:
    """What is waited for of what the tick needs; None where all of it is there."""
    busy = [place for place in needed if place in standing.under_way]
    if busy:
        return Waiting(f"{_named(busy)} of {date} {'is' if len(busy) == 1 else 'are'} being made.")
    missing = [place for place in needed if not _is_there(place, standing)]
    if missing:
        bring = tuple(place for place in missing if place[0] == "entity_metrics")
        return Waiting(f"{_named(missing)} of {date} must be made first.", bring)
    broken = [
        text
        for place, text in standing.failed.items()
        if place in needed and place[1] == tick.job.entity_type  # what is above has its own recommendations
    ]
    if broken and "recommendations" in tick.job.assets:
        return Waiting(f"A check of {date} failed: {broken[0]}")
    return None


def _is_late(account: AccountClock, date: dt.date, now: dt.datetime) -> bool:
    """Whether the account is read, but was not since the day was over there."""
    if account.read_at is None or now - account.read_at > READ_LATELY:
        return False
    return account.read_at < account.end_of(date)


def _is_there(place: Place, standing: Standing) -> bool:
    made = standing.made.get(place)
    if made is None:
        return False
    is_stale = standing.figures_at is not None and made < standing.figures_at
    return not (place[0] == "entity_metrics" and is_stale)


def _named(places: Sequence[Place]) -> str:
    """`entity_metrics (campaign, adset) and classifications (campaign)`."""
    levels: dict[str, list[str]] = {}
    for asset, level in places:
        levels.setdefault(asset, []).append(level.value)
    return " and ".join(f"{asset} ({', '.join(names)})" for asset, names in levels.items())
