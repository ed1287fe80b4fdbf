"""The jobs by name, level and time. Names and times are a contract; times can be set."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from croniter import croniter

from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import UsageError


class Days(StrEnum):
    """Which days a tick is about."""

    YESTERDAY = "yesterday"
    """The day before the tick, in the time zone of the schedules."""
    RUNNING = "running"
    """The day that runs in each account, and the one before it until it is judged as finished."""
    SOURCES = "sources"
    """Today and yesterday of the accounts, and once a day what a source still restates."""


@dataclass(frozen=True)
class Job:
    """What runs together, of one level (None: all levels), at the times of `cron`."""

    name: str
    assets: tuple[str, ...]
    entity_type: EntityType | None
    cron: str
    days: Days

    @property
    def levels(self) -> tuple[EntityType, ...]:
        """The levels whose partitions it makes."""
        return tuple(LEVELS) if self.entity_type is None else (self.entity_type,)

    @property
    def is_daily(self) -> bool:
        """Whether a tick stands for a day; other ticks stand for their moment."""
        return self.days == Days.YESTERDAY


CAMPAIGN, ADSET, AD = EntityType.CAMPAIGN, EntityType.ADSET, EntityType.AD
_JUDGED = ("features", "classifications")

JOBS = (
    Job("ingest", ("insights",), None, "5 * * * *", Days.SOURCES),
    Job("campaign_forecasts", ("forecasts",), CAMPAIGN, "0 4 * * *", Days.YESTERDAY),
    Job("adset_forecasts", ("forecasts",), ADSET, "30 4 * * *", Days.YESTERDAY),
    Job("campaign_classification", _JUDGED, CAMPAIGN, "0 5 * * *", Days.YESTERDAY),
    Job("adset_classification", _JUDGED, ADSET, "30 5 * * *", Days.YESTERDAY),
    Job("ad_classification", _JUDGED, AD, "0 6 * * *", Days.YESTERDAY),
    Job("campaign_recommendations", ("recommendations",), CAMPAIGN, "0 5 * * *", Days.YESTERDAY),
    Job("adset_recommendations", ("recommendations",), ADSET, "30 5 * * *", Days.YESTERDAY),
    Job("ad_recommendations", ("recommendations",), AD, "0 6 * * *", Days.YESTERDAY),
    Job("campaign_anomaly_detection", ("anomalies",), CAMPAIGN, "0 * * * *", Days.RUNNING),
    Job("adset_anomaly_detection", ("anomalies",), ADSET, "0 * * * *", Days.RUNNING),
    Job("ad_anomaly_detection", ("anomalies",), AD, "0 */2 * * *", Days.RUNNING),
)
"""Every job, upstream first."""


def jobs(times: Mapping[str, str] | None = None, levels: Collection[EntityType] = LEVELS) -> tuple[Job, ...]:
    """The jobs of `levels`, at `times` (job name -> cron) where they are given.

    Raises UsageError for a job that does not exist and for a time that is no cron expression.
    """
    times = times or {}
    known = {job.name for job in JOBS}
    unknown = sorted(set(times) - known)
    if unknown:
        raise UsageError(
            f"ML_ASSETS_SCHEDULE_TIMES names {', '.join(unknown)}; there are {', '.join(sorted(known))}."
        )
    for name, cron in times.items():
        if not croniter.is_valid(cron):
            raise UsageError(
                f"ML_ASSETS_SCHEDULE_TIMES has {cron!r} for {name}, which is no cron expression: write "
                "minute, hour, day of month, month and day of week, as in `30 4 * * *`."
            )
    return tuple(
        replace(job, cron=times.get(job.name, job.cron))
        for job in JOBS
        if job.entity_type is None or job.entity_type in levels
    )
