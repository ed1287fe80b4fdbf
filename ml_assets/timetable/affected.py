"""Which days new or restated figures touch, and what was made of them before."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ml_assets.entities import LEVELS, EntityType
from ml_assets.timetable.readiness import Place

Seen = Mapping[str, tuple[str, int]]
"""Date -> when it was last read (ISO, UTC), and how many versions of its rows there are."""

Made = Mapping[Place, Collection[dt.date]]
"""Asset and level -> the dates it was made of."""

FIGURES = "entity_metrics"

DOWNSTREAM = ("features", "classifications", "anomalies", "forecasts", "recommendations")
"""What rests on entity metrics, upstream first."""


@dataclass(frozen=True)
class Stage:
    """What one run makes: assets at neighbouring levels."""

    assets: tuple[str, ...]
    levels: tuple[EntityType, ...]


@dataclass(frozen=True)
class Part:
    """Days without a gap, and the runs that make them anew, one after the other."""

    start: dt.date
    end: dt.date
    stages: tuple[Stage, ...]

    def has(self, days: Collection[dt.date]) -> bool:
        """Whether any of the days is one of the part's."""
        return any(self.start <= day <= self.end for day in days)


def changed_days(before: Seen, now: Seen) -> list[dt.date]:
    """The days of which something was read that had not been seen, ascending.

    A loader that writes what was read long ago is seen by the number of versions; fewer of them, as upkeep
    leaves, are no news.
    """
    return [
        dt.date.fromisoformat(day)
        for day, (read_at, count) in sorted(now.items())
        if day not in before or read_at > before[day][0] or count > before[day][1]
    ]


def parts_of(days: Collection[dt.date], made: Made, finished: dt.date) -> list[Part]:
    """Few parts for the days: entity metrics of all levels, and what was made of them before, where it was.

    `finished` is the newest day that is over everywhere: of later ones only the figures are conformed. What
    was never made is left to the schedules.
    """
    parts: list[Part] = []
    for day in sorted(days):
        stages = _stages_of(day, made if day <= finished else {})
        last = parts[-1] if parts else None
        if last is not None and last.stages == stages and day - last.end == dt.timedelta(days=1):
            parts[-1] = Part(last.start, day, stages)
        else:
            parts.append(Part(day, day, stages))
    return parts


def _stages_of(day: dt.date, made: Made) -> tuple[Stage, ...]:
    """The runs of a day, upstream first; assets that follow each other at the same levels share one."""
    steps = [(FIGURES, tuple(LEVELS))]
    for asset in DOWNSTREAM:
        levels = [level for level in LEVELS if day in made.get((asset, level), ())]
        steps += [(asset, span) for span in _neighbours(levels)]
    return tuple(
        Stage(tuple(asset for asset, _ in group), levels)
        for levels, group in groupby(steps, key=lambda step: step[1])
    )


def _neighbours(levels: Sequence[EntityType]) -> list[tuple[EntityType, ...]]:
    """Levels in stretches that a range of partitions can span: campaign and ad alone are two."""
    if list(levels) == [LEVELS[0], LEVELS[-1]]:
        return [(level,) for level in levels]
    return [tuple(levels)] if levels else []
