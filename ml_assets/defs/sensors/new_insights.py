"""New or restated figures: entity metrics of those days, and what was made of them before, are made anew."""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, replace

import dagster as dg
from pydantic import TypeAdapter
from sqlalchemy import Connection

from ml_assets.defs.automation import SENSOR_STATUS
from ml_assets.defs.clock import utc_now
from ml_assets.defs.jobs import refresh
from ml_assets.defs.keys import range_tags, run_keys
from ml_assets.defs.standing import account_clocks, active_places
from ml_assets.defs.tries import tries_of
from ml_assets.storage.engine import create_engine
from ml_assets.storage.readings import readings_of_days
from ml_assets.timetable.affected import DOWNSTREAM, Part, Seen, changed_days, parts_of
from ml_assets.timetable.readiness import Place

WATCHED = dt.timedelta(days=56)
"""Days older than this are made anew by hand; their hourly versions are thinned out."""

REFRESH_TAG = "ml_assets/refresh"
"""Names the readings that a run makes anew, and the stage."""


@dataclass(frozen=True)
class Work:
    """A part that is being made anew: the readings it is made of, and the stages that are left."""

    part: Part
    readings: str

    @property
    def key(self) -> str:
        """Names the stage that is next, of these readings."""
        stage = self.part.stages[0]
        text = f"{self.part.start}|{self.part.end}|{stage.assets}|{stage.levels}|{self.readings}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def after_stage(self) -> "Work":
        """What is left when its next stage is done."""
        return replace(self, part=replace(self.part, stages=self.part.stages[1:]))


@dataclass(frozen=True)
class Cursor:
    """What was seen at a look, the days that wait for a run to end, and what is being made."""

    seen: Seen
    waiting: tuple[dt.date, ...] = ()
    works: tuple[Work, ...] = ()

    @classmethod
    def parsed(cls, text: str) -> "Cursor":
        """Of what `text` was once written."""
        found = json.loads(text)
        seen = {day: (read_at, count) for day, (read_at, count) in found["seen"].items()}
        waiting = tuple(dt.date.fromisoformat(day) for day in found["waiting"])
        return cls(seen, waiting, _WORKS.validate_python(found.get("works", [])))

    def written(self) -> str:
        """As text."""
        return json.dumps(
            {
                "seen": self.seen,
                "waiting": [day.isoformat() for day in self.waiting],
                "works": _WORKS.dump_python(self.works, mode="json"),
            }
        )


_WORKS = TypeAdapter(tuple[Work, ...])


@dg.sensor(
    name="new_insights",
    description="Makes days with new or restated figures anew, and what was made of them before.",
    job=refresh,
    minimum_interval_seconds=60,
    default_status=SENSOR_STATUS,
)
def new_insights(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Makes days anew whose figures are new or were restated, and only those; few runs, each of all levels.

    Of a day that was judged before everything that was made of it is made again, at the levels it was made
    at; of others entity metrics alone. A run that fails is tried once more. The first look only notes what
    is there.
    """
    now = utc_now()
    busy = {day for _, _, day in active_places(context.instance)}
    engine = create_engine()
    try:
        with engine.connect() as connection:
            seen = _seen(connection, now)
            if context.cursor is None:
                reason = dg.SkipReason("Watching from now on.")
                return dg.SensorResult(skip_reason=reason, cursor=Cursor(seen).written())
            before = Cursor.parsed(context.cursor)
            works, requests = _continued(context, before.works, busy)
            watched = (day for day in before.waiting if day.isoformat() in seen)
            days = sorted({*changed_days(before.seen, seen), *watched})
            held = [day for day in days if day in busy or any(work.part.has([day]) for work in works)]
            parts = _parts(context.instance, connection, sorted({*days} - {*held}), now)
    finally:
        engine.dispose()
    new = [Work(part, _readings(part, seen)) for part in parts]
    requests += [_request(work, 1) for work in new]
    reason = f"{len(held)} days wait for a run to end." if held else "No new figures."
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason(reason),
        cursor=Cursor(seen, tuple(held), (*works, *new)).written(),
    )


def _continued(
    context: dg.SensorEvaluationContext, works: tuple[Work, ...], busy: set[dt.date]
) -> tuple[list[Work], list[dg.RunRequest]]:
    """What is left of the works, and the runs that go on with them."""
    left: list[Work] = []
    requests: list[dg.RunRequest] = []
    for given in works:
        work, tries = given, tries_of(context.instance, REFRESH_TAG, given.key)
        while tries.is_done and len(work.part.stages) > 1:
            work = work.after_stage()
            tries = tries_of(context.instance, REFRESH_TAG, work.key)
        if tries.is_done:
            continue
        if not tries.is_under_way and not tries.may_be_asked:
            context.log.warning(
                f"{work.part.start} to {work.part.end} failed {tries.asked} times; mend what the runs say, "
                "and materialize these days by hand, or wait for new figures of them."
            )
            continue
        left.append(work)
        if tries.may_be_asked and not work.part.has(busy):
            requests.append(_request(work, tries.asked + 1))
    return left, requests


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
    made: dict[Place, set[dt.date]] = {}
    for asset in DOWNSTREAM:
        keys = instance.get_materialized_partitions(dg.AssetKey(asset))
        made |= {(asset, level): set(dates) for level, dates in run_keys(keys).dates.items()}
    return parts_of(days, made, finished)


def _readings(part: Part, seen: Seen) -> str:
    """Names what was read of the days of a part, so that the same is not asked for twice."""
    told = [seen[day] for day in sorted(seen) if part.start.isoformat() <= day <= part.end.isoformat()]
    newest, versions = max(read_at for read_at, _ in told), sum(count for _, count in told)
    return f"{newest}|{versions}"


def _request(work: Work, number: int) -> dg.RunRequest:
    """The run of the work's next stage."""
    stage = work.part.stages[0]
    return dg.RunRequest(
        run_key=f"{work.key}|{number}",
        asset_selection=[dg.AssetKey(asset) for asset in stage.assets],
        tags={REFRESH_TAG: work.key, **range_tags(work.part.start, work.part.end, stage.levels)},
    )
