"""A failed run is told of once for each cause and day, a silent source once for each silence."""

import datetime as dt
import json

from ml_assets.notices.runs import FailedRun, failure_notice
from ml_assets.notices.sources import stale_source_notices
from ml_assets.timetable.ticks import AccountClock

NOW = dt.datetime(2026, 3, 10, 9, 0, tzinfo=dt.UTC)
RUN = "4bd1c2a8-9b1e-4d7e-9f9e-0c6f5f3f5a11"


def key(sentence: str, now: dt.datetime = NOW) -> str:
    return failure_notice(FailedRun(RUN, "ad_classification", sentence, None), now, "", "en").key


def test_runs_of_one_cause_are_one_notice_a_day_and_other_causes_are_others() -> None:
    first = key("2026-03-09: account 17 has no figures.")
    assert key("2026-03-08: account 4 has no figures.") == first
    assert key("2026-03-09: the disk is full.") != first
    assert key("2026-03-09: account 17 has no figures.", NOW + dt.timedelta(days=1)) != first


def test_a_failure_says_the_job_the_reason_and_what_it_was_about() -> None:
    failed = FailedRun(RUN, "ad_classification", "It is <broken> & must be mended.", "2026-03-09|ad")
    notice = failure_notice(failed, NOW, "https://dagster.example/", "en")
    text = json.dumps(notice.payload)
    assert "ad_classification failed" in text
    assert "It is &lt;broken&gt; &amp; must be mended." in text
    assert "2026-03-09|ad" in text
    assert f"<https://dagster.example/runs/{RUN}|Run {RUN[:8]}>" in text
    assert "https" not in json.dumps(failure_notice(failed, NOW, "", "en").payload)


def test_a_silence_is_told_once_and_the_next_one_again() -> None:
    def keys(read_at: dt.datetime | None, now: dt.datetime = NOW) -> list[str]:
        accounts = [AccountClock(1, "Clinic", "UTC", read_at), AccountClock(2, "Shop", "UTC", NOW)]
        return [notice.key for notice in stale_source_notices(accounts, now, 26.0, "en")]

    silent = NOW - dt.timedelta(hours=26)
    assert keys(NOW - dt.timedelta(hours=25)) == []
    assert keys(None) == []
    assert len(keys(silent)) == 1
    assert keys(silent, NOW + dt.timedelta(hours=5)) == keys(silent)
    assert keys(silent + dt.timedelta(hours=1), NOW + dt.timedelta(hours=5)) != keys(silent)


def test_a_silence_says_whose_and_for_how_long() -> None:
    account = AccountClock(1, "Clinic & Co", "America/Sao_Paulo", NOW - dt.timedelta(hours=30))
    (notice,) = stale_source_notices([account], NOW, 26.0, "en")
    assert "No new figures of Clinic &amp; Co" in notice.payload["text"]
    assert "for 30 hours, since 2026-03-09 03:00 UTC" in notice.payload["text"]
    assert notice.config_id == 1
