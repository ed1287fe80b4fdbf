"""Which accounts' sources fell silent, and what is said of them: once for each silence."""

import datetime as dt
from collections.abc import Sequence

from ml_assets.notices.languages import LANGUAGES
from ml_assets.notices.message import Notice, NoticeKind, escaped, header, section
from ml_assets.timetable.ticks import AccountClock
from ml_assets.words.phrases import language_of


def stale_source_notices(
    accounts: Sequence[AccountClock], now: dt.datetime, stale_hours: float, language: str
) -> list[Notice]:
    """A notice for each account whose newest reading is `stale_hours` old; none for one never read lately."""
    phrases = language_of(language, LANGUAGES).phrases
    found = []
    for account in accounts:
        if account.read_at is None or now - account.read_at < dt.timedelta(hours=stale_hours):
            continue
        title = phrases["stale"].format(account=account.name)
        sentence = phrases["stale_since"].format(
            hours=int((now - account.read_at).total_seconds() // 3600),
            moment=f"{account.read_at.astimezone(dt.UTC):%Y-%m-%d %H:%M}",
        )
        found.append(
            Notice(
                key=f"stale_source|{account.config_id}|{account.read_at.astimezone(dt.UTC).isoformat()}",
                kind=NoticeKind.STALE_SOURCE,
                text=f"{title}. {sentence}",
                blocks=(header(title), section(escaped(sentence))),
                config_id=account.config_id,
            )
        )
    return found
