"""The ticks of a job, and the days each is about."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from croniter import croniter

from ml_assets.timetable.jobs import Days, Job

RESTATED_DAYS = 28
"""Days back that sources are read again, once a day."""

LOOK_BACK_DAYS = 3
"""Days back that are looked at for one that was never judged since it was over, as after an outage."""

RESTATED_HOUR = 2
"""The hour of the schedules' time zone in which they are."""


@dataclass(frozen=True)
class AccountClock:
    """An account's calendar, and when its source was last read."""

    config_id: int
    name: str
    timezone: str
    read_at: dt.datetime | None = None

    def today(self, now: dt.datetime) -> dt.date:
        """The day that runs there."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def end_of(self, day: dt.date) -> dt.datetime:
        """The moment (UTC) at which a day is over there."""
        midnight = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), ZoneInfo(self.timezone))
        return midnight.astimezone(dt.UTC)


@dataclass(frozen=True)
class Tick:
    """A moment at which a job is due."""

    job: Job
    scheduled: dt.datetime
    """With a time zone."""
    timezone: str

    @property
    def local(self) -> dt.datetime:
        """The moment on the schedules' clock."""
        return self.scheduled.astimezone(ZoneInfo(self.timezone))

    @property
    def yesterday(self) -> dt.date:
        """The day before, on the schedules' clock."""
        return self.local.date() - dt.timedelta(days=1)

    @property
    def key(self) -> str:
        """What names the tick, and its one run: `job|date`, or `job|moment` (UTC) of jobs of the hour."""
        if self.job.is_daily:
            return f"{self.job.name}|{self.yesterday}"
        return f"{self.job.name}|{self.scheduled.astimezone(dt.UTC):%Y-%m-%dT%H:%M}"


def ticks_between(job: Job, after: dt.datetime, until: dt.datetime, timezone: str) -> list[Tick]:
    """The ticks of (after, until], the oldest first.

    As Dagster has them: a time that the clock jumps over comes as soon as the clock goes on; of one that
    comes twice the second counts, but for jobs of every hour, which have both.
    """
    zone = ZoneInfo(timezone)
    is_of_every_hour = job.cron.split()[1] == "*"
    found: list[Tick] = []
    times = croniter(job.cron, after.astimezone(zone))
    while (moment := times.get_next(dt.datetime)) <= until:
        tick = Tick(job, moment.astimezone(dt.UTC), timezone)
        is_repeated = found and _wall_time(found[-1]) == _wall_time(tick)
        if is_repeated and not is_of_every_hour:
            found[-1] = tick
        elif not found or found[-1].key != tick.key:
            found.append(tick)
    return found


def _wall_time(tick: Tick) -> dt.datetime:
    """What the clock on the wall shows."""
    return tick.local.replace(tzinfo=None, fold=0)


def lately_over(tick: Tick, accounts: Sequence[AccountClock]) -> list[dt.date]:
    """The last days before the accounts' newest one, the oldest first; none without an account."""
    if not accounts:
        return []
    last = max(account.today(tick.scheduled) for account in accounts)
    return [last - dt.timedelta(days=back) for back in range(LOOK_BACK_DAYS, 0, -1)]


def days_of(
    tick: Tick, accounts: Sequence[AccountClock], judged_at: Mapping[dt.date, dt.datetime]
) -> list[dt.date]:
    """The days whose partitions the tick asks for, without a gap; none without an account.

    `judged_at` says when the days of `lately_over` were last made by the job: a day that was made before it
    was over in some account, or not at all, is asked for until it is.
    """
    if tick.job.days == Days.YESTERDAY:
        return [tick.yesterday] if accounts else []
    if not accounts:
        return []
    now = tick.scheduled
    today = {account.today(now) for account in accounts}
    first, last = min(today), max(today)
    if tick.job.days == Days.SOURCES:
        back = RESTATED_DAYS if tick.local.hour == RESTATED_HOUR else 1
        first -= dt.timedelta(days=back)
    else:
        for day in lately_over(tick, accounts):
            ended = [account.end_of(day) for account in accounts if account.end_of(day) <= now]
            if ended and (day not in judged_at or judged_at[day] < max(ended)):
                first = min(first, day)
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
