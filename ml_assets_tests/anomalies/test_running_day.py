"""The running day: the share expected by an hour, and what is not judged."""

import datetime as dt
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_assets.anomalies.frames import RUNNING_DAYS
from ml_assets.anomalies.running_day import (
    LEAST_DAYS,
    UNREPORTED,
    figures_until,
    find_running_days,
    learn_day_shares,
    past_moments,
    with_day_shares,
)
from ml_assets.frames import INSIGHTS, UTC
from ml_assets_tests.anomalies.running_days_made import (
    A_MINUTE,
    accounts_in,
    at,
    campaign_versions,
    readings_of,
    true_share,
)

SAO_PAULO, NEW_YORK, BERLIN = "America/Sao_Paulo", "America/New_York", "Europe/Berlin"
SUNDAY = dt.date(2026, 2, 8)
TUESDAY = dt.date(2026, 2, 10)
DAY = dt.timedelta(days=1)


def judged(timezone: str, date: dt.date, hour: int, end: dt.date | None = None) -> dict[str, Any]:
    """What is learnt just after the reading that ends the day's hour `hour`."""
    now = readings_of(timezone, date)[0][hour] + A_MINUTE / 2
    found = learn_day_shares(campaign_versions(timezone, end or date), accounts_in(timezone), [date], now)
    assert found.schema == RUNNING_DAYS
    return found.row(0, named=True)


@pytest.mark.parametrize("date", [TUESDAY, SUNDAY], ids=["workday", "weekend"])
@pytest.mark.parametrize("hour", [11, 15, 19, 23])
def test_the_share_of_the_day_is_learnt_from_days_of_its_kind(date: dt.date, hour: int) -> None:
    row = judged(SAO_PAULO, date, hour, TUESDAY)
    assert row["share"] == pytest.approx(true_share(SAO_PAULO, date, row["judged_until"]), rel=0.04)
    assert row["reason"] is None


def test_workdays_and_weekends_differ_by_more_than_the_error_of_their_shares() -> None:
    shares = [judged(SAO_PAULO, date, 12, TUESDAY)["share"] for date in (SUNDAY, TUESDAY)]
    truths = [true_share(SAO_PAULO, date, readings_of(SAO_PAULO, date)[0][9]) for date in (SUNDAY, TUESDAY)]
    assert truths[1] / truths[0] > 1.08
    assert shares[1] / shares[0] == pytest.approx(truths[1] / truths[0], rel=0.04)


def test_the_deviation_says_how_far_campaigns_stray() -> None:
    """Early in the day a campaign's share is far less certain than in the evening."""
    noon, evening = (judged(SAO_PAULO, TUESDAY, hour)["deviation"] for hour in (13, 22))
    assert 0.02 <= evening < noon < 0.15


@pytest.mark.parametrize(
    ("timezone", "date", "hours"),
    [
        (NEW_YORK, dt.date(2026, 3, 8), 23),
        (NEW_YORK, dt.date(2026, 11, 1), 25),
        (BERLIN, dt.date(2026, 3, 29), 23),
        (BERLIN, dt.date(2026, 10, 25), 25),
    ],
)
def test_a_day_on_which_the_clock_is_turned_has_its_own_share(
    timezone: str, date: dt.date, hours: int
) -> None:
    readings, shares = readings_of(timezone, date)
    assert len(readings) == hours
    for hour in (11, 15, 20):
        row = judged(timezone, date, hour)
        assert row["judged_until"] == readings[hour - 3]
        assert row["share"] == pytest.approx(float(shares[hour - 3]), abs=0.007)


def test_the_day_after_the_clock_was_turned_is_compared_by_the_clock() -> None:
    after = dt.date(2026, 3, 9)
    row = judged(NEW_YORK, after, 12)
    assert row["judged_until"] == readings_of(NEW_YORK, after)[0][9]
    assert row["share"] == pytest.approx(float(readings_of(NEW_YORK, after)[1][9]), rel=0.04)


def test_the_last_hours_do_not_count() -> None:
    versions = campaign_versions(SAO_PAULO, TUESDAY)
    readings = readings_of(SAO_PAULO, TUESDAY)[0]
    now = readings[14] + A_MINUTE
    accounts = accounts_in(SAO_PAULO)
    running = learn_day_shares(versions, accounts, [TUESDAY], now)
    assert running["judged_until"].to_list() == [readings[14] - UNREPORTED]

    # Whatever those hours say, nothing that is judged moves.
    late = (pl.col("date") == TUESDAY) & (pl.col("known_at") > at(readings[11]))
    changed = versions.with_columns(pl.when(late).then(pl.col("spend") * 9).otherwise("spend").alias("spend"))
    assert_frame_equal(learn_day_shares(changed, accounts, [TUESDAY], now), running)
    figures = figures_until(versions, running)
    assert_frame_equal(figures_until(changed, running), figures)
    assert figures["known_at"].max() == readings[11]
    assert figures.select("entity_id").is_unique().all()
    assert figures.schema == INSIGHTS


def test_what_is_read_later_changes_nothing() -> None:
    versions = campaign_versions(SAO_PAULO, TUESDAY)
    now = readings_of(SAO_PAULO, TUESDAY)[0][14] + A_MINUTE
    accounts = accounts_in(SAO_PAULO)
    known = versions.filter(pl.col("known_at") <= at(now))
    assert known.height < versions.height
    assert_frame_equal(
        learn_day_shares(versions, accounts, [TUESDAY], now),
        learn_day_shares(known, accounts, [TUESDAY], now),
    )


def test_levels_that_are_read_one_after_the_other_are_one_reading() -> None:
    hours = [dt.datetime(2026, 2, 10, hour, tzinfo=dt.UTC) for hour in range(9, 16)]
    delays = [0, 2, 5]  # campaigns, adsets, ads
    moments = [hour + delay * A_MINUTE for hour in hours for delay in delays]
    # The last reading is three hours and not quite five minutes older than one of its kind.
    readings = pl.DataFrame(
        {"config_id": 1, "known_at": moments[:-1]}, schema={"config_id": pl.Int64, "known_at": UTC}
    )
    found = find_running_days(readings, accounts_in("UTC"), [TUESDAY], moments[-1])
    assert found["judged_until"].to_list() == [hours[2] + 5 * A_MINUTE]


def test_a_standstill_is_seen_from_readings_of_the_day_before() -> None:
    versions = campaign_versions(SAO_PAULO, TUESDAY)
    readings = readings_of(SAO_PAULO, TUESDAY)[0]
    stands_still = versions.filter((pl.col("date") != TUESDAY) | (pl.col("known_at") <= at(readings[9])))
    accounts, now = accounts_in(SAO_PAULO), readings[17] + A_MINUTE
    unseen = learn_day_shares(stands_still, accounts, [TUESDAY], now)
    assert unseen["judged_until"].to_list() == [readings[6]]

    yesterday = versions.filter(pl.col("date") == TUESDAY - DAY).sort("known_at").tail(1)
    trickle = pl.concat(yesterday.with_columns(known_at=at(readings[hour])) for hour in (14, 17))
    seen = learn_day_shares(pl.concat([stands_still, trickle]), accounts, [TUESDAY], now)
    assert seen["judged_until"].to_list() == [readings[14]]
    so_far = figures_until(stands_still, seen)["spend"].sum()
    whole = figures_until(versions, seen)["spend"].sum()
    assert float(so_far) < 0.6 * float(whole)


def test_too_short_a_history_is_not_judged_and_says_so() -> None:
    versions = campaign_versions(SAO_PAULO, TUESDAY)
    now = readings_of(SAO_PAULO, TUESDAY)[0][14] + A_MINUTE
    for days, is_judged in ((LEAST_DAYS - 1, False), (LEAST_DAYS, True)):
        recent = versions.filter(pl.col("date") >= TUESDAY - days * DAY)
        row = learn_day_shares(recent, accounts_in(SAO_PAULO), [TUESDAY], now).row(0, named=True)
        assert (row["judged_until"] is not None) == is_judged
        assert (row["share"] is not None) == is_judged
        if is_judged:
            assert row["reason"] is None
        else:
            assert row["reason"].startswith("Only 13 of the 56 days before were read at about 11:59")


def test_an_account_that_is_read_once_a_day_is_not_judged_and_says_so() -> None:
    versions = campaign_versions(SAO_PAULO, TUESDAY)
    local = pl.col("known_at").dt.convert_time_zone(SAO_PAULO).dt.date()
    readings = readings_of(SAO_PAULO, TUESDAY)[0]
    daily = versions.filter((local > pl.col("date")) & (pl.col("date") < TUESDAY))
    row = learn_day_shares(daily, accounts_in(SAO_PAULO), [TUESDAY], readings[14]).row(0, named=True)
    assert row["judged_until"] is None
    assert "No reading of 2026-02-10" in row["reason"]

    # Somebody begins to read it by the hour: days are still lacking.
    begun = pl.concat([daily, versions.filter(pl.col("date") == TUESDAY)])
    row = learn_day_shares(begun, accounts_in(SAO_PAULO), [TUESDAY], readings[14]).row(0, named=True)
    assert row["judged_until"] is None
    assert row["reason"].startswith("None of the 56 days before")


def test_a_night_hour_is_too_little_to_judge() -> None:
    row = judged(SAO_PAULO, TUESDAY, 8)
    assert row["judged_until"] is None
    assert "too little to judge" in row["reason"]


def test_an_account_without_any_reading_says_so() -> None:
    empty = pl.DataFrame(schema=dict(INSIGHTS))
    now = dt.datetime(2026, 2, 10, 15, tzinfo=dt.UTC)
    row = learn_day_shares(empty, accounts_in(None), [TUESDAY], now).row(0, named=True)
    assert row["judged_until"] is None
    assert row["reason"] == (
        "No figure was read since 2026-02-10 began (UTC): the running day is not judged."
    )


def test_each_account_has_its_own_day() -> None:
    """At one instant it is Tuesday afternoon in the Pacific's west, and still Monday in its east."""
    zones = ("Pacific/Auckland", "America/Los_Angeles", BERLIN)
    now = dt.datetime(2026, 2, 10, 6, 30, tzinfo=dt.UTC)
    versions = pl.concat(
        campaign_versions(zone, TUESDAY, config_id) for config_id, zone in enumerate(zones, start=1)
    )
    found = learn_day_shares(versions, accounts_in(*zones), [TUESDAY - DAY, TUESDAY], now)
    rows = {(row["config_id"], row["date"]): row for row in found.iter_rows(named=True)}
    # Monday is over in Auckland and Berlin; Tuesday has not begun in Los Angeles.
    assert sorted(rows) == [(1, TUESDAY), (2, TUESDAY - DAY), (2, TUESDAY), (3, TUESDAY)]
    assert rows[2, TUESDAY]["reason"] == "2026-02-10 has not begun yet (America/Los_Angeles)."
    assert "too little to judge" in rows[3, TUESDAY]["reason"]
    for config_id, date in ((1, TUESDAY), (2, TUESDAY - DAY)):
        row, zone = rows[config_id, date], zones[config_id - 1]
        assert row["share"] == pytest.approx(true_share(zone, date, row["judged_until"]), rel=0.04)


def test_a_day_that_is_over_is_not_running() -> None:
    versions = campaign_versions(SAO_PAULO, TUESDAY)
    over = dt.datetime(2026, 2, 11, 3, tzinfo=dt.UTC)
    accounts = accounts_in(SAO_PAULO)
    assert learn_day_shares(versions, accounts, [TUESDAY], over).is_empty()
    assert learn_day_shares(versions, accounts, [TUESDAY], over - A_MINUTE).height == 1


def test_the_order_of_rows_and_versions_that_are_not_needed_do_not_matter() -> None:
    versions = campaign_versions(SAO_PAULO, TUESDAY)
    accounts = accounts_in(SAO_PAULO)
    now = readings_of(SAO_PAULO, TUESDAY)[0][15] + A_MINUTE
    known = versions.filter(pl.col("known_at") <= at(now))
    found = learn_day_shares(known, accounts, [TUESDAY], now)
    shuffled = known.sample(fraction=1.0, shuffle=True, seed=1)
    assert_frame_equal(learn_day_shares(shuffled, accounts, [TUESDAY], now), found, check_exact=True)
    assert_frame_equal(figures_until(shuffled, found), figures_until(known, found))

    running = find_running_days(known, accounts, [TUESDAY], now)
    key = ["config_id", "entity_id", "date"]
    ordered = known.filter(pl.col("window_days") == 1).sort("known_at")
    needed = pl.concat(
        [
            ordered.unique(key, keep="last", maintain_order=True),
            ordered.join(past_moments(running, accounts), on=["config_id", "date"])
            .filter(pl.col("known_at") <= pl.col("until"))
            .unique(key, keep="last", maintain_order=True)
            .drop("until"),
        ]
    )
    assert needed.height < known.height / 5
    assert_frame_equal(with_day_shares(running, needed, accounts), found, check_exact=True)


def test_a_few_strange_days_do_not_move_the_share() -> None:
    versions = campaign_versions(SAO_PAULO, TUESDAY)
    accounts = accounts_in(SAO_PAULO)
    now = readings_of(SAO_PAULO, TUESDAY)[0][15] + A_MINUTE
    stopped = [TUESDAY - days * DAY for days in (7, 12, 20)]
    local_hour = pl.col("known_at").dt.convert_time_zone(SAO_PAULO).dt.hour()
    # On these days nothing ran until two in the afternoon.
    strange = versions.with_columns(
        spend=pl.when(pl.col("date").is_in(stopped) & (local_hour < 14)).then(0.0).otherwise("spend")
    )
    plain, moved = (
        learn_day_shares(rows, accounts, [TUESDAY], now)["share"].item() for rows in (versions, strange)
    )
    assert moved == pytest.approx(plain, rel=0.03)
