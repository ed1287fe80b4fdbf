"""Which dates of which levels a run was asked for, from its partition keys."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg

from ml_assets.defs.partitions import DATE, ENTITY_TYPE, partitions
from ml_assets.entities import LEVELS, EntityType

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


@dataclass(frozen=True)
class RunKeys:
    """Dates per level, levels from the top of the tree down, dates ascending."""

    dates: dict[EntityType, tuple[dt.date, ...]]

    @property
    def levels(self) -> tuple[EntityType, ...]:
        """The levels asked for, from the campaign down."""
        return tuple(self.dates)

    @property
    def levels_above(self) -> tuple[EntityType, ...]:
        """The levels asked for and all above the lowest of them."""
        return self.levels[-1].path

    @property
    def all_dates(self) -> tuple[dt.date, ...]:
        """Every date asked for at any level, ascending."""
        return tuple(sorted({date for dates in self.dates.values() for date in dates}))

    @property
    def start(self) -> dt.date:
        """The first date of any level."""
        return self.all_dates[0]

    @property
    def end(self) -> dt.date:
        """The last date of any level."""
        return self.all_dates[-1]

    @property
    def partition_count(self) -> int:
        """How many partitions these are."""
        return sum(len(dates) for dates in self.dates.values())


def partition_key(date: dt.date, level: EntityType) -> dg.MultiPartitionKey:
    """The key of a partition, `2026-02-02|adset`."""
    return dg.MultiPartitionKey({DATE: date.isoformat(), ENTITY_TYPE: level.value})


def range_tags(start: dt.date, end: dt.date, levels: Sequence[EntityType]) -> dict[str, str]:
    """The tags by which a run makes days without a gap, [start, end], of neighbouring levels."""
    return {
        RANGE_START_TAG: str(partition_key(start, levels[0])),
        RANGE_END_TAG: str(partition_key(end, levels[-1])),
    }


def run_keys(keys: Iterable[str]) -> RunKeys:
    """The dates per level of the keys of a run, which may be of several levels."""
    dates: dict[EntityType, set[dt.date]] = {level: set() for level in LEVELS}
    for key in keys:
        parsed = (
            key if isinstance(key, dg.MultiPartitionKey) else partitions.get_partition_key_from_str(str(key))
        )
        by_dimension = parsed.keys_by_dimension
        dates[EntityType(by_dimension[ENTITY_TYPE])].add(dt.date.fromisoformat(by_dimension[DATE]))
    return RunKeys({level: tuple(sorted(days)) for level, days in dates.items() if days})
