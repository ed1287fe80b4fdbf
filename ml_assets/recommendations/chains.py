"""Which dates are replayed together: chains begin at fixed days, so that neighbouring dates share one."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

CHAIN_DAYS = 21
"""A chain begins at the start of the three weeks before those of a date, so that neighbours share it."""


@dataclass(frozen=True)
class Chain:
    """Dates that are replayed together, and those of them that were asked for."""

    start: dt.date
    asked: tuple[dt.date, ...]

    @property
    def dates(self) -> list[dt.date]:
        """Every date from the start to the last one asked for."""
        return [self.start + dt.timedelta(days=d) for d in range((self.asked[-1] - self.start).days + 1)]


def chains(dates: Sequence[dt.date]) -> list[Chain]:
    """The chains of the asked dates; dates of the same three weeks share one."""
    starts: dict[dt.date, list[dt.date]] = {}
    for day in sorted(set(dates)):
        start = dt.date.fromordinal((day.toordinal() // CHAIN_DAYS - 1) * CHAIN_DAYS)
        starts.setdefault(start, []).append(day)
    return [Chain(start, tuple(asked)) for start, asked in starts.items()]
