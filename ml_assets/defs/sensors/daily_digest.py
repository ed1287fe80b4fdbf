"""The daily digest: once a day what to do, what changed, what is open, and where the month stands."""

import dagster as dg

from ml_assets.defs.automation import SENSOR_STATUS
from ml_assets.defs.clock import utc_now
from ml_assets.defs.sensors.notices import NOT_SET, database
from ml_assets.defs.standing import made_at
from ml_assets.notices.digest import digest_key
from ml_assets.report.digest import notice_of, read_digests
from ml_assets.settings import settings
from ml_assets.storage.notices import add_notices, known_keys
from ml_assets.storage.reads import read_accounts
from ml_assets.timetable.digest import digest_time, waits_for


@dg.sensor(
    name="daily_digest",
    description="Tells once a day of the day before, when its recommendations are there.",
    minimum_interval_seconds=60,
    default_status=SENSOR_STATUS,
)
def daily_digest(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Let the digest of yesterday wait to be sent, once its time has come."""
    asked = settings()
    if not asked.webhook_url:
        return dg.SkipReason(NOT_SET)
    if not asked.digest_time:
        return dg.SkipReason("ML_ASSETS_DIGEST_TIME is empty: there is no digest.")
    now = utc_now()
    due = digest_time(now, asked.digest_time, asked.timezone)
    with database() as engine, engine.begin() as connection:
        if known_keys(connection, [digest_key(due.date)]):
            return dg.SkipReason(f"{due.date} has been told of.")
        levels = asked.scheduled_levels
        made = made_at(context.instance, "recommendations", due.date, levels) if now >= due.at else {}
        if reason := waits_for(due, now, made, levels, asked.late_hours):
            return dg.SkipReason(reason)
        accounts = read_accounts(connection)
        if accounts.is_empty():
            return dg.SkipReason("There is no active account yet.")
        late = [level for level in levels if level not in made]
        digests = read_digests(connection, accounts, due.date)
        add_notices(connection, [notice_of(digests, due.date, asked.language, late=late)], now)
    return dg.SkipReason(f"The digest of {due.date} is ready to be sent.")
