"""New or restated figures: entity metrics of those days, and what was made of them before, are made anew."""

import datetime as dt
import json
from dataclasses import dataclass

import dagster as dg
from sqlalchemy import Connection

from ml_assets.defs.automation import SENSOR_STATUS
from ml_assets.defs.clock import utc_now
from ml_assets.defs.jobs import refresh
from ml_assets.defs.keys import range_tags, run_keys
from ml_assets.defs.standing import account_clocks, active_places
from ml_assets.entities import LEVELS
from ml_assets.storage.engine import create_engine
from ml_assets.storage.readings import readings_of_days
from ml_assets.timetable.affected import DOWNSTREAM, Part, Seen, changed_days, parts_of, pruned

WATCHED = dt.timedelta(days=56)
"""Days older than this are made anew by hand; their hourly versions are thinned out."""


@dataclass(frozen=True)
class Cursor:
    """What was seen at a look, and the days that wait for a run to end."""

    seen: Seen
    waiting: tuple[dt.date, ...] = ()

    @classmethod
    def parsed(cls, text: str) -> "Cursor":
        """Of what `text` was once written."""
        found = json.loads(text)
        seen = {day: (read_at, count) for day, (read_at, count) in found["seen"].items()}
        return cls(seen, tuple(dt.date.fromisoformat(day) for day in found["waiting"]))

    def written(self) -> str:
        """As text."""
        return json.dumps({"seen": self.seen, "waiting": [day.isoformat() for day in self.waiting]})


@dg.sensor(
    name="new_insights",
    description="Makes days with new or restated figures anew, and what was made of them before.",
    job=refresh,
    minimum_interval_seconds=60,
    default_status=SENSOR_STATUS,
)
def new_insights(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Makes days anew whose figures are new or were restated, and only those; few runs, each of all levels.

    Of a day that was judged before everything that was made of it is made again; of others entity metrics
    alone. The first look only notes what is there.
    """
    now = utc_now()
    engine = create_engine()
    try:
        with engine.connect() as connection:
            seen = _seen(connection, now)
            if context.cursor is None:
                reason = dg.SkipReason("Watching from now on.")
                return dg.SensorResult(skip_reason=reason, cursor=Cursor(seen).written())
            before = Cursor.parsed(context.cursor)
            watched = (day for day in before.waiting if day.isoformat() in seen)
            days = sorted({*changed_days(before.seen, seen), *watched})
            parts = _parts(context.instance, connection, days, now)
    finally:
        engine.dispose()
    busy = {day for _, _, day in active_places(context.instance)}
    chosen = pruned(parts, busy)
    covered = {day for part in chosen for day in days if part.start <= day <= part.end}
    waiting = tuple(day for day in days if day not in covered)
    reason = f"{len(waiting)} days wait for a run to end." if waiting else "No new figures."
    return dg.SensorResult(
        run_requests=[_request(part, seen) for part in chosen],
        skip_reason=None if chosen else dg.SkipReason(reason),
        cursor=Cursor(seen, waiting).written(),
    )


def _seen(connection: Connection, now: dt.datetime) -> dict[str, tuple[str, int]]:
    rows = readings_of_days(connection, now.date() - WATCHED)
    return {date.isoformat(): (read_at.isoformat(), count) for date, read_at, count in rows.rows()}


def _parts(
    instance: dg.DagsterInstance, connection: Connection, days: list[dt.date], now: dt.datetime
) -> list[Part]:
    """What to make anew of `days`."""
    accounts = account_clocks(connection, now)
    if not days or not accounts:
        return []
    finished = min(account.today(now) for account in accounts) - dt.timedelta(days=1)
    made: dict[str, set[dt.date]] = {}
    for asset in DOWNSTREAM:
        keys = instance.get_materialized_partitions(dg.AssetKey(asset))
        made[asset] = set(run_keys(keys).all_dates) if keys else set()
    return parts_of(days, made, finished)


def _request(part: Part, seen: Seen) -> dg.RunRequest:
    """A run of the part; the key says of which readings, so that the same are not asked for twice."""
    told = [seen[day] for day in sorted(seen) if part.start.isoformat() <= day <= part.end.isoformat()]
    newest, versions = max(read_at for read_at, _ in told), sum(count for _, count in told)
    return dg.RunRequest(
        run_key=f"{part.start}|{part.end}|{','.join(part.assets)}|{newest}|{versions}",
        asset_selection=[dg.AssetKey(asset) for asset in part.assets],
        tags=range_tags(part.start, part.end, LEVELS),
    )
