"""Which days new or restated figures touch, and what was made of them before."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

Seen = Mapping[str, tuple[str, int]]
"""Date -> when it was last read (ISO, UTC), and how many versions of its rows there are."""

DOWNSTREAM = ("features", "classifications", "anomalies", "forecasts", "recommendations")
"""What rests on entity metrics, upstream first."""


@dataclass(frozen=True)
class Part:
    """Assets to make anew over days without a gap, at all levels: figures of one flow to all."""

    assets: tuple[str, ...]
    start: dt.date
    end: dt.date


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


def parts_of(
    days: Collection[dt.date], made: Mapping[str, Collection[dt.date]], finished: dt.date
) -> list[Part]:
    """Few parts for the days: entity metrics of each, and what was made of them before.

    `made` says of which days each asset was made; `finished` is the newest day that is over everywhere: of
    later ones only the figures are conformed. What was never made is left to the schedules.
    """
    parts: list[Part] = []
    for day in sorted(days):
        judged = tuple(asset for asset in DOWNSTREAM if day <= finished and day in made.get(asset, ()))
        assets = ("entity_metrics", *judged)
        last = parts[-1] if parts else None
        if last is not None and last.assets == assets and day - last.end == dt.timedelta(days=1):
            parts[-1] = Part(assets, last.start, day)
        else:
            parts.append(Part(assets, day, day))
    return parts


def pruned(parts: Sequence[Part], busy: Collection[dt.date]) -> list[Part]:
    """The parts none of whose days is being made right now."""
    return [part for part in parts if not any(part.start <= day <= part.end for day in busy)]
