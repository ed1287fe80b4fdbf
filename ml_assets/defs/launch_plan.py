"""What a call of the API has to make: the asked partitions, and what is missing upstream of them."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from ml_assets.defs.backfill import (
    LOOKBACKS,
    WHOLE_TREE,
    day_ranges,
    days_until,
    missing_entity_metrics,
    missing_insights,
)
from ml_assets.defs.keys import partition_key, run_keys
from ml_assets.defs.standing import made_at
from ml_assets.entities import LEVELS, EntityType
from ml_assets.settings import settings
from ml_assets.storage.readings import newest_reading_of
from ml_assets.storage.reads import read_accounts
from ml_assets.timetable.affected import FIGURES
from ml_assets.timetable.readiness import Place
from ml_assets.timetable.upstream import INSIGHTS, all_upstream_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

MOST_FRESHNESS_DAYS = 31
"""Days of which it is looked up whether newer figures were read since they were conformed."""


@dataclass(frozen=True)
class Asked:
    """What is to be made: assets that follow each other, of a level, on the days [start, end]."""

    assets: tuple[str, ...]
    level: EntityType
    start: dt.date
    end: dt.date

    @property
    def days(self) -> list[dt.date]:
        """Every day."""
        return days_until(self.start, self.end + dt.timedelta(days=1))

    @property
    def targets(self) -> tuple[Place, ...]:
        """The places that are made."""
        return tuple((asset, self.level) for asset in self.assets)


@dataclass(frozen=True)
class Stretch:
    """Days without a gap of an asset at a level."""

    asset: str
    level: EntityType
    start: dt.date
    end: dt.date

    @property
    def keys(self) -> tuple[str, str]:
        """The first and the last partition."""
        return str(partition_key(self.start, self.level)), str(partition_key(self.end, self.level))


@dataclass(frozen=True)
class LaunchPlan:
    """What a launch makes."""

    targets: tuple[Stretch, ...]
    upstream: tuple[Stretch, ...]
    """What is missing, upstream first; made for all accounts."""
    is_complete: bool
    """Whether all target partitions were made as a whole before: only then a part of them may be replaced."""

    @property
    def may_be_restricted(self) -> bool:
        """Whether the run may replace only the rows it was asked for."""
        return self.is_complete and not self.upstream

    @property
    def is_one_partition(self) -> bool:
        """Whether a single run of one partition does it; otherwise it is a backfill."""
        return (
            not self.upstream
            and len({stretch.keys for stretch in self.targets}) == 1
            and all(stretch.start == stretch.end for stretch in self.targets)
        )


def plan_launch(connection: "Connection", instance: dg.DagsterInstance, asked: Asked) -> LaunchPlan:
    """What has to be made so that `asked` rests on what it needs.

    Missing is what was never made as a whole, on the asked days and, of the figures, on the days that are
    looked back on; entity metrics also where newer figures of an asked day were read since.
    """
    made = _Made(instance)
    targets = tuple(Stretch(asset, asked.level, asked.start, asked.end) for asset in asked.assets)
    missing: dict[Place, set[dt.date]] = {}
    for place in all_upstream_of(asked.targets):
        if place[0] == INSIGHTS:
            continue  # a source is asked only for days without figures: `_history`
        missing[place] = set(asked.days) - made.dates(place)
    for place, days in _outdated(connection, instance, asked, missing).items():
        missing[place] |= days
    upstream = [
        Stretch(asset, level, first, last)
        for (asset, level), days in missing.items()
        for first, last in day_ranges(sorted(days))
    ]
    is_complete = all(set(asked.days) <= made.dates(place) for place in asked.targets)
    return LaunchPlan(targets, (*_history(connection, instance, asked), *upstream), is_complete)


class _Made:
    """Dates that were ever made as a whole, by asset and level; each asset is looked up once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._known: dict[str, dict[EntityType, set[dt.date]]] = {}

    def dates(self, place: Place) -> set[dt.date]:
        """The dates of a place."""
        asset, level = place
        if asset not in self._known:
            keys = self._instance.get_materialized_partitions(dg.AssetKey(asset))
            self._known[asset] = {each: set(days) for each, days in run_keys(keys).dates.items()}
        return self._known[asset].get(level, set())


def _outdated(
    connection: "Connection",
    instance: dg.DagsterInstance,
    asked: Asked,
    missing: dict[Place, set[dt.date]],
) -> dict[Place, set[dt.date]]:
    """Entity metrics that are there, of asked days of which newer figures were read since."""
    places = [place for place in missing if place[0] == FIGURES]
    found: dict[Place, set[dt.date]] = {place: set() for place in places}
    accounts = read_accounts(connection)["config_id"].to_list()
    for day in asked.days[-MOST_FRESHNESS_DAYS:] if places else ():
        read_at = newest_reading_of(connection, day, accounts)
        moments = made_at(instance, FIGURES, day, [level for _, level in places])
        for place in places:
            moment = moments.get(place[1])
            if read_at is not None and moment is not None and moment < read_at:
                found[place].add(day)
    return found


def _history(connection: "Connection", instance: dg.DagsterInstance, asked: Asked) -> list[Stretch]:
    """Figures that were never brought: those of sources, and of days that are looked back on."""
    back = max(LOOKBACKS[asset] for asset in asked.assets)
    first = max(settings().first_date, asked.start - dt.timedelta(days=back))
    levels = LEVELS if WHOLE_TREE & set(asked.assets) else asked.level.path
    parts = [
        *missing_insights(connection, instance, first, asked.end + dt.timedelta(days=1)),
        *missing_entity_metrics(connection, instance, first, asked.start, levels),
    ]
    return [
        Stretch(asset, level, part.start, part.end)
        for part in parts
        for asset in part.assets
        for level in part.levels
    ]
