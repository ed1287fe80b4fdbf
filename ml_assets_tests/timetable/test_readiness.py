"""A tick runs when what it needs is there, and says what it waits for until then."""

import datetime as dt

import pytest

from ml_assets.entities import LEVELS, EntityType
from ml_assets.timetable.jobs import JOBS
from ml_assets.timetable.readiness import Place, Ready, Standing, Waiting, decide, needs
from ml_assets.timetable.ticks import AccountClock, Tick

DATE = dt.date(2026, 3, 1)
SCHEDULED = dt.datetime(2026, 3, 2, 5, tzinfo=dt.UTC)
MADE = dt.datetime(2026, 3, 2, 1, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
READ = AccountClock(1, "one", "UTC", dt.datetime(2026, 3, 2, 0, 30, tzinfo=dt.UTC))
CAMPAIGN, ADSET, AD = LEVELS


def tick(name: str) -> Tick:
    return Tick(next(job for job in JOBS if job.name == name), SCHEDULED, "UTC")


def whole(name: str) -> dict[Place, dt.datetime]:
    return dict.fromkeys(needs(tick(name)), MADE)


def decided(
    name: str,
    standing: Standing,
    account: AccountClock = READ,
    now: dt.datetime = SCHEDULED,
    late_hours: float = 6.0,
) -> Ready | Waiting:
    return decide(tick(name), DATE, standing, [account], now, late_hours)


@pytest.mark.parametrize("name", [job.name for job in JOBS if job.is_daily])
def test_a_tick_runs_when_everything_is_there_and_waits_for_each_part(name: str) -> None:
    there = whole(name)
    assert decided(name, Standing(there)) == Ready()
    for place in there:
        lacking = {other: moment for other, moment in there.items() if other != place}
        found = decided(name, Standing(lacking))
        assert isinstance(found, Waiting)
        assert f"{place[0]} ({place[1].value})" in found.reason
        assert found.bring == ((place,) if place[0] == "entity_metrics" else ())


def test_an_adset_waits_for_its_campaign_and_recommendations_for_all_levels_above() -> None:
    assert ("classifications", CAMPAIGN) in needs(tick("adset_classification"))
    above = {("classifications", level) for level in (CAMPAIGN, ADSET, AD)}
    assert above <= set(needs(tick("ad_recommendations")))
    assert needs(tick("campaign_anomaly_detection")) == ()


def test_figures_read_after_they_were_conformed_are_conformed_first() -> None:
    found = decided("campaign_forecasts", Standing(whole("campaign_forecasts"), figures_at=MADE + MINUTE))
    assert isinstance(found, Waiting)
    assert set(found.bring) == {("entity_metrics", level) for level in LEVELS}


def test_what_a_run_is_making_is_waited_for_even_where_an_older_one_is_there() -> None:
    busy = frozenset({("classifications", EntityType.CAMPAIGN)})
    found = decided("campaign_recommendations", Standing(whole("campaign_recommendations"), under_way=busy))
    assert found == Waiting("classifications (campaign) of 2026-03-01 is being made.")


def test_late_figures_are_waited_for_and_then_left_out() -> None:
    late = AccountClock(1, "Acme", "UTC", dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC))
    there = Standing(whole("campaign_classification"))
    found = decided("campaign_classification", there, late)
    assert isinstance(found, Waiting)
    assert "Acme" in found.reason
    six_hours = SCHEDULED + dt.timedelta(hours=6)
    assert decided("campaign_classification", there, late, six_hours) == Ready(("Acme",))
    silent = AccountClock(1, "Acme", "UTC", SCHEDULED - dt.timedelta(days=5))
    assert decided("campaign_classification", there, silent) == Ready()


def test_a_day_that_runs_everywhere_is_waited_for() -> None:
    west = AccountClock(1, "one", "Pacific/Honolulu", READ.read_at)
    found = decided("campaign_classification", Standing(whole("campaign_classification")), west)
    assert isinstance(found, Waiting)
    assert "not over" in found.reason


def test_recommendations_wait_where_a_check_of_the_figures_failed_and_others_do_not() -> None:
    failed: dict[Place, str] = {("entity_metrics", CAMPAIGN): "Clicks exceed impressions."}
    found = decided("campaign_recommendations", Standing(whole("campaign_recommendations"), failed=failed))
    assert found == Waiting("A check of 2026-03-01 failed: Clicks exceed impressions.")
    there = Standing(whole("campaign_classification"), failed=failed)
    assert decided("campaign_classification", there) == Ready()
    below = Standing(whole("adset_recommendations"), failed=failed)
    assert decided("adset_recommendations", below) == Ready()
