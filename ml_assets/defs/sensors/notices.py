"""What people are told without asking. Each sensor only lets notices wait; one alone sends them.

Without ML_ASSETS_WEBHOOK_URL nothing is kept to be sent: turning it on does not tell of the past.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg
from sqlalchemy import Connection, Engine

from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.defs.automation import SENSOR_STATUS
from ml_assets.defs.clock import utc_now
from ml_assets.defs.standing import account_clocks
from ml_assets.notices.incidents import Event, incident_news, incident_notices
from ml_assets.notices.message import Notice
from ml_assets.notices.sources import stale_source_notices
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets.storage.notices import (
    add_notices,
    claim_due,
    mark_failed,
    mark_sent,
    read_told,
    read_watched_incidents,
    rebase,
)
from ml_assets.storage.reads import read_accounts
from ml_assets.webhook import WebhookError, post

NOT_SET = "ML_ASSETS_WEBHOOK_URL is not set: nobody is told."

SENDING_SECONDS = 30.0
"""A look sends no longer than this; Dagster ends a look after a minute."""


@contextmanager
def database() -> Iterator[Engine]:
    """The database of the settings."""
    engine = create_engine()
    try:
        yield engine
    finally:
        engine.dispose()


def notice_sensor(
    name: str, description: str, seconds: int, decide: Callable[[Connection, dt.datetime], Sequence[Notice]]
) -> dg.SensorDefinition:
    """A sensor that lets what `decide` says wait to be sent, in one transaction."""

    @dg.sensor(
        name=name,
        description=description,
        minimum_interval_seconds=seconds,
        default_status=SENSOR_STATUS,
    )
    def evaluate() -> dg.SkipReason:
        if not settings().webhook_url:
            return dg.SkipReason(NOT_SET)
        now = utc_now()
        with database() as engine, engine.begin() as connection:
            found = decide(connection, now)
            new = add_notices(connection, found, now)
        return dg.SkipReason(f"{new} new to tell." if new else "Nothing new to tell.")

    return evaluate


def tell_incidents(connection: Connection, now: dt.datetime) -> list[Notice]:
    """Notices of incidents; growth of those whose day is over is measured from then on."""
    watched = read_watched_incidents(connection)
    news = incident_news(watched, read_told(connection), now.date(), AnomalyPolicy())
    rebase(connection, news.filter(news["event"] == Event.REBASED))
    return incident_notices(news, read_accounts(connection), settings().language)


def tell_stale_sources(connection: Connection, now: dt.datetime) -> list[Notice]:
    """Notices of accounts of which nothing was read for too long."""
    asked = settings()
    return stale_source_notices(account_clocks(connection, now), now, asked.stale_hours, asked.language)


incident_notices_sensor = notice_sensor(
    "incident_notices",
    "Tells of CRITICAL incidents: once when found, again when they grow by half, and when they are over.",
    30,
    tell_incidents,
)

stale_sources = notice_sensor(
    "stale_sources", "Tells once of an account of which nothing new is read.", 300, tell_stale_sources
)


@dg.sensor(
    name="deliver_notices",
    description="Sends what waits to the webhook; what it does not take is tried again for a day.",
    minimum_interval_seconds=30,
    default_status=SENSOR_STATUS,
)
def deliver_notices() -> dg.SkipReason:
    """Send what is due, one after the other, until the webhook does not take one."""
    if not settings().webhook_url:
        return dg.SkipReason(NOT_SET)
    with database() as engine:
        sent, refused = send_due(engine, settings().webhook_url)
    told = f"{sent} sent." if sent else "Nothing to send."
    return dg.SkipReason(f"{told} {refused}".strip())


def send_due(engine: Engine, url: str) -> tuple[int, str]:
    """Send what is due for SENDING_SECONDS: how many arrived, and why the next one did not ('': none)."""
    began = time.monotonic()
    sent = 0
    while time.monotonic() - began < SENDING_SECONDS:
        with engine.begin() as connection:
            due = claim_due(connection, utc_now(), 1)
        if not due:
            break
        (notice,) = due
        try:
            post(url, notice.payload)
        except WebhookError as error:
            after = error.retry_after
            not_before = None if after is None else utc_now() + dt.timedelta(seconds=after)
            with engine.begin() as connection:
                mark_failed(connection, notice.id, str(error), not_before)
            return sent, str(error)
        with engine.begin() as connection:
            mark_sent(connection, notice.id, utc_now())
        sent += 1
    return sent, ""
