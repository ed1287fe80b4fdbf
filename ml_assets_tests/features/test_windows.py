"""The plain figures, each against numbers worked out day by day in plain Python."""

import datetime as dt
import random
import statistics

import polars as pl
import pytest

from ml_assets.features import FeatureInputs
from ml_assets_tests.features.frames_made import (
    D,
    Row,
    ad,
    adset,
    campaign,
    day,
    every_day,
    feature_inputs,
    features_of,
    figures,
    row_of,
)

TREE = [campaign("c1"), adset("s1", "c1"), ad("a1", "s1", "c1"), ad("a2", "s1", "c1")]


def delivered_days() -> dict[dt.date, Row]:
    """60 uneven days of ad a1 with gaps, first delivery included."""
    rng = random.Random(5)  # noqa: S311
    days = {}
    for back in range(60):
        if back % 9 == 4:
            continue
        days[day(back)] = figures(
            "ad",
            "a1",
            day(back),
            spend=round(rng.uniform(5, 40), 2),
            impressions=rng.randint(500, 2000),
            reach=rng.randint(300, 450),
            clicks=rng.randint(5, 40),
            leads=rng.choice([0, 0, 1, 2, 3]),
        )
    return days


DAYS = delivered_days()


def total(name: str, days: int, shift: int = 0) -> float:
    """Sum of a figure over [D - shift - days + 1, D - shift], day by day."""
    return sum(DAYS[day(back)][name] for back in range(shift, shift + days) if day(back) in DAYS)


@pytest.fixture(scope="module")
def row() -> Row:
    inputs = feature_inputs(TREE, [*DAYS.values(), *every_day("ad", "a2", range(60))])
    return row_of(features_of(inputs, "ad"), "a1")


def test_sums_cover_the_last_days_inclusive(row: Row) -> None:
    for name, days in (
        ("spend", (7, 14, 30)),
        ("leads", (7, 14, 30)),
        ("impressions", (7,)),
        ("clicks", (7,)),
    ):
        for length in days:
            assert row[f"{name}_{length}d"] == pytest.approx(total(name, length)), (name, length)


def test_ratios_are_pooled(row: Row) -> None:
    assert row["cpl_7d"] == pytest.approx(total("spend", 7) / total("leads", 7))
    assert row["cpl_14d"] == pytest.approx(total("spend", 14) / total("leads", 14))
    assert row["cpl_30d"] == pytest.approx(total("spend", 30) / total("leads", 30))
    assert row["ctr_7d"] == pytest.approx(total("clicks", 7) / total("impressions", 7))
    assert row["cpc_7d"] == pytest.approx(total("spend", 7) / total("clicks", 7))
    assert row["cpm_7d"] == pytest.approx(1000 * total("spend", 7) / total("impressions", 7))
    assert row["conversion_rate_7d"] == pytest.approx(total("leads", 7) / total("clicks", 7))


def test_trends_compare_with_the_week_before(row: Row) -> None:
    assert row["spend_trend"] == pytest.approx(total("spend", 7) / total("spend", 7, 7) - 1)
    assert row["leads_trend"] == pytest.approx(total("leads", 7) / total("leads", 7, 7) - 1)
    now = total("spend", 7) / total("leads", 7)
    before = total("spend", 7, 7) / total("leads", 7, 7)
    assert row["cpl_trend"] == pytest.approx(now / before - 1)
    now = total("clicks", 7) / total("impressions", 7)
    before = total("clicks", 7, 7) / total("impressions", 7, 7)
    assert row["ctr_trend"] == pytest.approx(now / before - 1)


def test_spreads_count_days_without_a_row_as_zero(row: Row) -> None:
    leads = [DAYS[day(back)]["leads"] if day(back) in DAYS else 0 for back in range(28)]
    assert row["leads_std_7d"] == pytest.approx(statistics.stdev(leads[:7]))
    assert row["leads_dispersion"] == pytest.approx(statistics.variance(leads) / statistics.mean(leads))


def test_the_spread_of_daily_cpl_is_over_days_with_leads(row: Row) -> None:
    daily = [
        DAYS[day(back)]["spend"] / DAYS[day(back)]["leads"]
        for back in range(7)
        if day(back) in DAYS and DAYS[day(back)]["leads"]
    ]
    assert row["cpl_std_7d"] == pytest.approx(statistics.stdev(daily))
    assert row["days_with_leads_7d"] == len(daily)


def test_days_are_counted_where_something_was_delivered(row: Row) -> None:
    assert row["days_active"] == sum(day(back) in DAYS for back in range(30))
    assert row["delivery_days_14d"] == sum(day(back) in DAYS for back in range(14))
    assert row["avg_daily_spend_30d"] == pytest.approx(total("spend", 30) / row["days_active"])


def test_frequency_without_a_weekly_row_is_only_bounded(row: Row) -> None:
    assert row["reach_7d"] is None
    assert row["frequency_7d"] is None
    assert row["frequency_7d_min"] == pytest.approx(total("impressions", 7) / total("reach", 7))


def test_reach_and_frequency_come_from_the_weekly_row_of_the_date() -> None:
    weekly = [
        figures("ad", "a1", day(back), window_days=7, reach=3000 + back, frequency=2.0 + back)
        for back in range(3)
    ]
    rows = features_of(feature_inputs(TREE, [*DAYS.values(), *weekly]), "ad", [D, day(1), day(3)])
    assert row_of(rows, "a1")["frequency_7d"] == 2.0
    assert row_of(rows, "a1", day(1))["reach_7d"] == 3001
    assert row_of(rows, "a1", day(3))["reach_7d"] is None


def test_the_lower_bound_of_frequency_needs_the_reach_of_every_day() -> None:
    rows = [
        figures("ad", "a1", day(back), reach=800 if back == 0 else None, impressions=1000)
        for back in range(7)
    ]
    assert row_of(features_of(feature_inputs(TREE, rows), "ad"), "a1")["frequency_7d_min"] is None


def test_shares_are_of_the_parents_own_figure() -> None:
    rows = [
        *every_day("ad", "a1", range(10), spend=10.0, leads=1),
        *every_day("ad", "a2", range(10), spend=20.0, leads=3),
        *every_day("adset", "s1", range(10), spend=40.0, leads=5),
    ]
    inputs = feature_inputs(TREE, rows)
    a1 = row_of(features_of(inputs, "ad"), "a1")
    assert a1["share_of_parent_spend"] == pytest.approx(0.25)
    assert a1["share_of_parent_leads"] == pytest.approx(0.2)
    s1 = row_of(features_of(inputs, "adset"), "s1")
    assert s1["share_of_parent_spend"] == pytest.approx(1.0)


def test_columns_that_a_level_does_not_have_are_null() -> None:
    inputs = feature_inputs(TREE, [*DAYS.values(), *every_day("ad", "a2", range(60))])
    c1 = row_of(features_of(inputs, "campaign"), "c1")
    s1 = row_of(features_of(inputs, "adset"), "s1")
    a1 = row_of(features_of(inputs, "ad"), "a1")
    for name in ("share_of_parent_spend", "share_of_parent_leads", "performance_vs_siblings"):
        assert c1[name] is None
        assert a1[name] is not None
    for name in ("audience_overlap_score", "overlap_with", "overlap_method"):
        assert c1[name] is None
        assert a1[name] is None
    for name in ("creative_fatigue_score", "fatigue_verdict", "days_to_fatigue"):
        assert c1[name] is None
        assert s1[name] is None
    assert a1["creative_fatigue_score"] is not None
    assert (c1["parent_id"], s1["parent_id"], a1["parent_id"]) == (None, "c1", "s1")


def test_undefined_is_null_and_never_zero() -> None:
    rows = every_day("ad", "a1", range(3), leads=0, clicks=0, spend=0.0)
    a1 = row_of(features_of(feature_inputs(TREE, rows), "ad"), "a1")
    undefined = (
        "cpl_7d", "cpc_7d", "conversion_rate_7d", "cpl_14d", "cpl_30d", "avg_daily_spend_30d", "cpl_trend",
        "leads_trend", "spend_trend", "ctr_trend", "cpl_std_7d", "leads_dispersion", "best_day_of_week",
        "worst_day_of_week", "share_of_parent_spend", "share_of_parent_leads", "leads_trend_probability",
    )  # fmt: skip
    assert {name: a1[name] for name in undefined} == dict.fromkeys(undefined)
    assert a1["ctr_7d"] == 0.0
    assert a1["leads_7d"] == 0


def test_figures_the_source_lacks_are_null_and_what_rests_on_them() -> None:
    rows = every_day("ad", "a1", range(40), leads=None, clicks=None, reach=None)
    a1 = row_of(features_of(feature_inputs(TREE, rows), "ad"), "a1")
    lacking = (
        "leads_7d", "leads_14d", "leads_30d", "clicks_7d", "cpl_7d", "ctr_7d", "cpc_7d", "conversion_rate_7d",
        "leads_trend", "cpl_trend", "ctr_trend", "leads_std_7d", "leads_dispersion", "cpl_std_7d",
        "days_with_leads_7d", "share_of_parent_leads", "creative_fatigue_score", "fatigue_verdict",
        "ctr_shrunk", "cvr_shrunk", "frequency_7d_min", "leads_trend_probability", "best_day_of_week",
    )  # fmt: skip
    assert {name: a1[name] for name in lacking} == dict.fromkeys(lacking)
    assert a1["spend_7d"] == 140.0
    assert a1["insufficient_data"] is True


def test_one_day_alone_has_no_spread() -> None:
    a1 = row_of(features_of(feature_inputs(TREE, every_day("ad", "a1", [0])), "ad"), "a1")
    assert a1["leads_std_7d"] is None
    assert a1["cpl_std_7d"] is None
    assert a1["leads_dispersion"] is None


def test_days_before_the_first_delivery_are_no_days_of_zero_leads() -> None:
    rows = [figures("ad", "a1", day(2), leads=3), figures("ad", "a1", D, leads=6)]
    a1 = row_of(features_of(feature_inputs(TREE, rows), "ad"), "a1")
    assert a1["leads_std_7d"] == pytest.approx(statistics.stdev([3, 0, 6]))


def test_a_pause_after_the_first_delivery_is_days_of_zero_leads() -> None:
    rows = [*every_day("ad", "a1", range(60, 90)), *every_day("ad", "a1", range(2), leads=4)]
    a1 = row_of(features_of(feature_inputs(TREE, rows), "ad"), "a1")
    assert a1["leads_std_7d"] == pytest.approx(statistics.stdev([4, 4, 0, 0, 0, 0, 0]))
    month = [4, 4] + [0] * 26
    assert a1["leads_dispersion"] == pytest.approx(statistics.variance(month) / statistics.mean(month))


def weekday_account(leads_of: dict[int, int], weeks: int = 8) -> FeatureInputs:
    rows = [
        figures("ad", "a1", day(back), leads=leads_of.get(day(back).isoweekday(), 1))
        for back in range(7 * weeks)
    ]
    return feature_inputs(TREE, rows)


def test_the_best_and_the_worst_weekday_are_found() -> None:
    a1 = row_of(features_of(weekday_account({6: 4, 2: 0}), "ad"), "a1")
    assert (a1["best_day_of_week"], a1["worst_day_of_week"]) == (6, 2)


def test_weekdays_are_not_told_under_twenty_leads() -> None:
    few = weekday_account(dict.fromkeys(range(1, 7), 0) | {7: 2})
    a1 = row_of(features_of(few, "ad"), "a1")
    assert a1["leads_30d"] > 0
    assert (a1["best_day_of_week"], a1["worst_day_of_week"]) == (None, None)


def test_a_weekday_with_little_spend_does_not_win_by_luck() -> None:
    rows = [
        figures("ad", "a1", day(back), leads=2 + (day(back).isoweekday() == 1), spend=20.0)
        for back in range(56)
        if day(back).isoweekday() != 4
    ]
    rows.append(figures("ad", "a1", day(day(0).isoweekday() - 4 + 7), spend=1.0, leads=1))
    a1 = row_of(features_of(feature_inputs(TREE, rows), "ad"), "a1")
    assert a1["best_day_of_week"] == 1


def test_an_entity_without_delivery_for_ninety_days_and_paused_has_no_row() -> None:
    entities = [*TREE[:3], ad("a2", "s1", "c1", effective_status="PAUSED")]
    rows = [*every_day("ad", "a1", range(100)), *every_day("ad", "a2", range(91, 100))]
    features = features_of(feature_inputs(entities, rows), "ad", [D, day(5)])
    assert features.filter(pl.col("entity_id") == "a2")["feature_date"].to_list() == [day(5)]


def test_an_active_entity_that_never_delivered_has_a_row_of_zeros() -> None:
    a2 = row_of(features_of(feature_inputs(TREE, every_day("ad", "a1", range(20))), "ad"), "a2")
    assert (a2["spend_7d"], a2["leads_7d"], a2["impressions_7d"], a2["days_active"]) == (0.0, 0, 0, 0)
    assert a2["cpl_7d"] is None
    assert a2["insufficient_data"] is True
    assert a2["cpl_shrunk"] is not None
