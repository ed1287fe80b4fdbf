"""Which ticks a job has, and which days each is about: per account, and when clocks change."""

import datetime as dt
from itertools import takewhile

import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

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
    assert days_of(late, [SAO_PAULO], {}) == [dt.date(2026, 2, 28)]
    assert days_of(late, [], {}) == []


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


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
@pytest.mark.parametrize("timezone", ["Europe/Berlin", "America/Santiago", "Pacific/Auckland", "UTC"])
def test_a_job_has_the_ticks_that_dagster_gives_it(job: Job, timezone: str) -> None:
    for start in ("2026-03-27T12:30", "2026-04-02T12:30", "2026-09-04T12:30", "2026-10-02T12:30",
                  "2026-10-23T12:30"):  # fmt: skip
        begin, end = at(start), at(start) + dt.timedelta(days=4)
        moments = takewhile(
            lambda moment: moment <= end,  # noqa: B023 - used up before the next
            schedule_execution_time_iterator(begin.timestamp(), job.cron, timezone, ascending=True),
        )
        expected = [Tick(job, moment.astimezone(dt.UTC), timezone).key for moment in moments]
        assert [found.key for found in ticks_between(job, begin, end, timezone)] == list(
            dict.fromkeys(expected)
        )


def test_hourly_ticks_stay_apart_through_the_hour_that_comes_twice() -> None:
    found = keys(
        BY_NAME["campaign_anomaly_detection"], "2026-10-24T22:30", "2026-10-25T03:30", "Europe/Berlin"
    )
    assert len(found) == len(set(found)) >= 4


def test_anomalies_are_about_the_running_day_and_the_one_before_until_it_was_judged_whole() -> None:
    name = "campaign_anomaly_detection"
    noon = tick(name, "2026-03-02T15:00")
    midnight = at("2026-03-02T03:00")  # in Sao Paulo
    older = {dt.date(2026, 2, number): at("2026-03-01T04:00") for number in (27, 28)}
    first, second = dt.date(2026, 3, 1), dt.date(2026, 3, 2)
    after, before = midnight + dt.timedelta(minutes=5), midnight - dt.timedelta(minutes=5)
    assert days_of(noon, [SAO_PAULO], {**older, first: after}) == [second]
    assert days_of(noon, [SAO_PAULO], {**older, first: before}) == [first, second]
    assert days_of(noon, [SAO_PAULO], older) == [first, second]


def test_a_day_that_was_left_provisional_by_an_outage_is_judged_when_it_is_over() -> None:
    evening = tick("campaign_anomaly_detection", "2026-03-05T15:00")
    judged = {dt.date(2026, 3, 2): at("2026-03-03T04:00"), dt.date(2026, 3, 3): at("2026-03-03T20:00")}
    assert days_of(evening, [SAO_PAULO], judged) == [dt.date(2026, 3, number) for number in (3, 4, 5)]


def test_accounts_far_apart_have_their_own_running_days() -> None:
    name = "adset_anomaly_detection"
    evening = tick(name, "2026-03-02T16:00")  # already the 3rd in Tokyo
    older = {dt.date(2026, 2, 28): at("2026-03-01T04:00"), dt.date(2026, 3, 1): at("2026-03-02T04:00")}
    both = [SAO_PAULO, TOKYO]
    judged = {**older, dt.date(2026, 3, 2): at("2026-03-02T15:30")}
    assert days_of(evening, both, judged) == [dt.date(2026, 3, 2), dt.date(2026, 3, 3)]
    # A whole day apart a finished day is asked for until it was judged, not by one tick alone.
    apart = [AccountClock(1, "one", "Pacific/Honolulu"), AccountClock(2, "two", "Pacific/Auckland")]
    provisional = {dt.date(2026, 2, 27): at("2026-03-01T04:00"), dt.date(2026, 2, 28): at("2026-03-01T11:00")}
    provisional[dt.date(2026, 3, 1)] = at("2026-03-02T09:00")  # over in Honolulu at 10:00
    for hour in (11, 12, 15):
        found = days_of(tick(name, f"2026-03-02T{hour}:00"), apart, provisional)
        assert found[0] == dt.date(2026, 3, 1)


def test_sources_are_read_far_back_once_a_day() -> None:
    assert len(days_of(tick("ingest", "2026-03-02T15:05"), [SAO_PAULO], {})) == 2
    assert len(days_of(tick("ingest", "2026-03-02T02:05"), [SAO_PAULO], {})) == 29
