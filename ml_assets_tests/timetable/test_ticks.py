"""Which ticks a job has, and which days each is about: per account, and when clocks change."""

import datetime as dt

import pytest

from ml_assets.entities import EntityType
from ml_assets.errors import UsageError
from ml_assets.timetable.jobs import JOBS, Job, jobs
from ml_assets.timetable.ticks import AccountClock, Tick, days_of, ticks_between

BY_NAME = {job.name: job for job in JOBS}
SAO_PAULO = AccountClock(1, "one", "America/Sao_Paulo")
TOKYO = AccountClock(2, "two", "Asia/Tokyo")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def tick(name: str, moment: str, timezone: str = "UTC") -> Tick:
    return Tick(BY_NAME[name], at(moment), timezone)


def keys(job: Job, after: str, until: str, timezone: str) -> list[str]:
    return [found.key for found in ticks_between(job, at(after), at(until), timezone)]


def test_the_jobs_are_those_of_the_contract_at_their_times() -> None:
    found = {job.name: job.cron for job in JOBS}
    assert {name for name in found if name != "ingest"} == {
        *(f"{level}_{kind}" for level in ("campaign", "adset", "ad") for kind in ("classification",)),
        *(f"{level}_recommendations" for level in ("campaign", "adset", "ad")),
        *(f"{level}_anomaly_detection" for level in ("campaign", "adset", "ad")),
        "campaign_forecasts",
        "adset_forecasts",
    }
    assert found["campaign_forecasts"] == "0 4 * * *"
    assert found["adset_recommendations"] == "30 5 * * *"
    assert found["ad_anomaly_detection"] == "0 */2 * * *"


def test_times_and_levels_can_be_set_and_mistakes_are_told() -> None:
    chosen = jobs({"campaign_forecasts": "15 3 * * *"}, [EntityType.CAMPAIGN])
    assert {job.entity_type for job in chosen} == {None, EntityType.CAMPAIGN}
    assert {job.cron for job in chosen if job.name == "campaign_forecasts"} == {"15 3 * * *"}
    with pytest.raises(UsageError, match="campaign_forecast;"):
        jobs({"campaign_forecast": "0 4 * * *"})
    with pytest.raises(UsageError, match="no cron expression"):
        jobs({"ingest": "hourly"})


def test_a_daily_tick_is_about_the_day_before_on_the_clock_of_the_schedules() -> None:
    late = tick("campaign_classification", "2026-03-02T02:00", "America/Sao_Paulo")  # 23:00 the day before
    assert late.key == "campaign_classification|2026-02-28"
    assert days_of(late, [SAO_PAULO], None) == [dt.date(2026, 2, 28)]
    assert days_of(late, [], None) == []


def test_each_day_has_one_tick_when_clocks_change() -> None:
    nightly = jobs({"campaign_forecasts": "30 2 * * *"}, [EntityType.CAMPAIGN])
    job = next(job for job in nightly if job.name == "campaign_forecasts")
    # Berlin: 02:30 does not exist on 2026-03-29 and comes twice on 2026-10-25.
    assert keys(job, "2026-03-27T12:00", "2026-03-30T12:00", "Europe/Berlin") == [
        "campaign_forecasts|2026-03-27",
        "campaign_forecasts|2026-03-28",
        "campaign_forecasts|2026-03-29",
    ]
    assert keys(job, "2026-10-23T12:00", "2026-10-26T12:00", "Europe/Berlin") == [
        "campaign_forecasts|2026-10-23",
        "campaign_forecasts|2026-10-24",
        "campaign_forecasts|2026-10-25",
    ]


def test_hourly_ticks_stay_apart_through_the_hour_that_comes_twice() -> None:
    found = keys(
        BY_NAME["campaign_anomaly_detection"], "2026-10-24T22:30", "2026-10-25T03:30", "Europe/Berlin"
    )
    assert len(found) == len(set(found)) >= 4


def test_anomalies_are_about_the_running_day_and_the_one_before_until_it_was_judged_whole() -> None:
    name = "campaign_anomaly_detection"
    noon = tick(name, "2026-03-02T15:00")
    midnight = at("2026-03-02T03:00")  # in Sao Paulo
    assert days_of(noon, [SAO_PAULO], midnight + dt.timedelta(minutes=5)) == [dt.date(2026, 3, 2)]
    both = [dt.date(2026, 3, 1), dt.date(2026, 3, 2)]
    assert days_of(noon, [SAO_PAULO], midnight - dt.timedelta(minutes=5)) == both
    assert days_of(noon, [SAO_PAULO], None) == both


def test_accounts_far_apart_have_their_own_running_days() -> None:
    evening = tick("adset_anomaly_detection", "2026-03-02T16:00")  # already the 3rd in Tokyo
    assert days_of(evening, [SAO_PAULO, TOKYO], at("2026-03-02T15:30")) == [
        dt.date(2026, 3, 2),
        dt.date(2026, 3, 3),
    ]


def test_sources_are_read_far_back_once_a_day() -> None:
    assert len(days_of(tick("ingest", "2026-03-02T15:05"), [SAO_PAULO], None)) == 2
    assert len(days_of(tick("ingest", "2026-03-02T02:05"), [SAO_PAULO], None)) == 29
