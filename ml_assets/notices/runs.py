"""What is said of a run that failed: one notice for each cause and day, however many runs it stops."""

import datetime as dt
import hashlib
import re
from dataclasses import dataclass

from ml_assets.notices.languages import LANGUAGES
from ml_assets.notices.message import Notice, NoticeKind, context, escaped, header, section
from ml_assets.words.phrases import language_of

SHORT = 8
"""Digits of a run's id that are shown."""

_VARIES = re.compile(r"[0-9a-f-]*\d[0-9a-f-]*")
"""Dates, ids and counts: what differs between two runs that failed for one cause."""


@dataclass(frozen=True)
class FailedRun:
    """A run that ended without success, and that nothing tries again."""

    run_id: str
    job: str
    sentence: str
    partitions: str | None
    """The partition, or the first and last of a range."""


def cause_of(sentence: str) -> str:
    """What two failures of one cause have in common, as short as a key."""
    return hashlib.sha256(_VARIES.sub("#", sentence).encode()).hexdigest()[:16]


def failure_notice(run: FailedRun, now: dt.datetime, dagster_url: str, language: str) -> Notice:
    """The notice of a failed run; of another run of the same cause and day (UTC) it has the same key."""
    phrases = language_of(language, LANGUAGES).phrases
    title = phrases["run_failed"].format(job=run.job)
    short = run.run_id[:SHORT]
    link = f"{dagster_url.rstrip('/')}/runs/{run.run_id}" if dagster_url else ""
    small_print = [
        phrases["run_link"].format(url=link, short=short) if link else phrases["run"].format(short=short)
    ]
    if run.partitions:
        small_print.append(escaped(phrases["run_of"].format(partitions=run.partitions)))
    return Notice(
        key=f"run_failure|{now.astimezone(dt.UTC).date()}|{cause_of(run.sentence)}",
        kind=NoticeKind.RUN_FAILURE,
        text=f"{title}: {run.sentence}",
        blocks=(header(title), section(escaped(run.sentence)), context(small_print)),
    )
