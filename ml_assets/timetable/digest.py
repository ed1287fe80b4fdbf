"""When the daily digest is due, and what it still waits for."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from ml_assets.entities import EntityType


@dataclass(frozen=True)
class DigestTime:
    """Today's digest: about `date`, due at `at`."""

    date: dt.date
    at: dt.datetime


def digest_time(now: dt.datetime, time_of_day: str, timezone: str) -> DigestTime:
    """The digest of the day that runs on the schedules' clock; it tells of the day before."""
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    at = dt.datetime.combine(today, dt.time.fromisoformat(time_of_day), zone)
    return DigestTime(today - dt.timedelta(days=1), at.astimezone(dt.UTC))


def waits_for(
    due: DigestTime,
    now: dt.datetime,
    made: Mapping[EntityType, dt.datetime],
    levels: Sequence[EntityType],
    late_hours: float,
) -> str:
    """Why the digest does not go out yet; empty where it does.

    It waits for the recommendations of its date, `made` by level, `late_hours` long; then it goes out with
    what there is, and says what is missing.
    """
    if now < due.at:
        return f"The digest of {due.date} is due at {due.at:%H:%M} UTC."
    missing = [level.value for level in levels if level not in made]
    if missing and now < due.at + dt.timedelta(hours=late_hours):
        return (
            f"The digest of {due.date} waits for the recommendations of {', '.join(missing)}, until "
            f"{late_hours:g} hours after its time."
        )
    return ""
