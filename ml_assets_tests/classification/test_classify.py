"""Tiers from the posterior: what is shown, why, and that only the account's own past counts."""

import datetime as dt
import itertools
import json

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import stats

from benchmarks.estimate import END, make_account
from ml_assets.classification import INSUFFICIENT_DATA, TIERS, classify
from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_features import FEATURES
from ml_assets.errors import NotReadyError
from ml_assets.features import FeatureInputs, compute_features
from ml_assets.frames import empty
from ml_assets_tests.features.frames_made import (
    D,
    Row,
    account,
    day,
    every_day,
    feature_inputs,
    small_tree,
)


def classified(inputs: FeatureInputs, level: str = "ad", dates: tuple[dt.date, ...] = (D,)) -> pl.DataFrame:
    entity_type = EntityType(level)
    return classify(inputs, entity_type, list(dates), compute_features(inputs, entity_type, list(dates)))


def row_of(rows: pl.DataFrame, entity_id: str, date: dt.date = D) -> Row:
    return rows.filter(pl.col("entity_id") == entity_id, pl.col("classification_date") == date).row(
        0, named=True
    )


def judged(a1: list[Row], entity_id: str = "a1", **arguments: list[Row]) -> Row:
    tree = arguments.pop("entities", small_tree())
    return row_of(classified(feature_inputs(tree, a1, **arguments)), entity_id)


@pytest.fixture(scope="module")
def synthetic() -> FeatureInputs:
    return make_account(5, days=170, campaigns=5, adsets=12, ads=36).inputs


def test_probabilities_are_the_gamma_masses_of_the_bands() -> None:
    inputs = feature_inputs(small_tree(), every_day("ad", "a1", range(14), leads=1, spend=15.0))
    features = (
        compute_features(inputs, EntityType.AD, [D]).filter(pl.col("entity_id") == "a1").row(0, named=True)
    )
    rate = stats.gamma(features["posterior_shape"], scale=1 / features["posterior_rate"])
    probabilities = json.loads(row_of(classified(inputs), "a1")["probabilities"])
    assert list(probabilities) == list(TIERS)
    # CPL <= b T is r >= 1 / b.
    edges = [1.0, rate.cdf(1 / 0.7), rate.cdf(1.0), rate.cdf(1 / 1.5), 0.0]
    expected = [edges[0] - edges[1], *(edges[i] - edges[i + 1] for i in (1, 2, 3))]
    assert list(probabilities.values()) == pytest.approx(expected, abs=1e-9)
    assert sum(probabilities.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("spend", "tier"),
    [(5.0, "HIGH_PERFORMER"), (17.0, "MODERATE"), (25.0, "LOW"), (45.0, "UNDERPERFORMER")],
)
def test_the_tier_is_the_band_of_the_cpl(spend: float, tier: str) -> None:
    row = judged(
        [*every_day("ad", "a1", range(40), spend=spend), *every_day("ad", "a2", range(40), spend=spend)]
    )
    assert row["tier"] == tier
    assert row["confidence_score"] == pytest.approx(json.loads(row["probabilities"])[tier])
    assert row["reason"] is None
    assert row["needs"] is None


def test_every_json_column_is_json(synthetic: FeatureInputs) -> None:
    for level in LEVELS:
        rows = classified(synthetic, level, (END,))
        for name in ("probabilities", "needs", "metrics_snapshot", "feature_importances"):
            for text in rows[name].drop_nulls():
                json.loads(text)
        assert rows["metrics_snapshot"].null_count() == 0


def test_too_little_data_names_no_tier_and_says_what_is_needed() -> None:
    row = judged(every_day("ad", "a1", range(10), spend=1.0, leads=0))
    assert row["tier"] == INSUFFICIENT_DATA
    needs = json.loads(row["needs"])
    assert needs["spend"] == pytest.approx(10.0, abs=0.5)
    assert needs["leads"] == 3
    assert needs["delivery_days"] == 0
    assert "0 leads" in row["reason"]
    assert row["confidence_score"] is None


def test_three_leads_or_two_expected_are_enough() -> None:
    assert judged(every_day("ad", "a1", range(4), spend=1.0, leads=1))["tier"] != INSUFFICIENT_DATA
    assert judged(every_day("ad", "a1", range(4), spend=6.0, leads=0))["tier"] != INSUFFICIENT_DATA
    assert judged(every_day("ad", "a1", range(2), spend=1.0, leads=1))["tier"] == INSUFFICIENT_DATA


def test_two_delivery_days_are_too_few_however_much_they_spent() -> None:
    row = judged(every_day("ad", "a1", range(2), spend=500.0, leads=40))
    assert row["tier"] == INSUFFICIENT_DATA
    assert json.loads(row["needs"])["delivery_days"] == 1


def test_a_named_tier_is_given_up_after_three_dates_under_the_floor() -> None:
    inputs = feature_inputs(small_tree(), every_day("ad", "a1", range(14, 40)))
    # From day(2) on fewer than 3 of the 14 days have delivery: day(2) has day(14), day(15).
    rows = classified(inputs, "ad", tuple(day(back) for back in range(6)))
    tiers = [row_of(rows, "a1", day(back))["tier"] for back in range(5, -1, -1)]
    named = [tier != INSUFFICIENT_DATA for tier in tiers]
    assert named == [True, True, True, True, True, False]


def test_where_leads_are_not_the_goal_the_tier_is_null_with_a_reason() -> None:
    tree = small_tree()
    tree[1]["optimization_goal"] = "LINK_CLICKS"
    row = judged(every_day("ad", "a1", range(30)), entities=tree)
    assert row["tier"] is None
    assert row["previous_tier"] is None
    assert row["probabilities"] is None
    assert "not the goal" in row["reason"]


def test_without_target_and_leads_everything_is_insufficient_and_says_so() -> None:
    inputs = feature_inputs(
        small_tree(), every_day("ad", "a1", range(30), leads=0), accounts=[account(target_cpl=None)]
    )
    for level in LEVELS:
        rows = classified(inputs, level)
        assert set(rows["tier"]) == {INSUFFICIENT_DATA}
        assert all("target CPL" in reason for reason in rows["reason"])
        assert rows["probabilities"].null_count() == rows.height


def test_a_target_alone_lets_spend_without_leads_be_judged() -> None:
    row = judged(every_day("ad", "a1", range(30), leads=0))
    assert row["tier"] == "UNDERPERFORMER"


def attribution(known_at: dt.datetime, setting: str) -> Row:
    return {
        "config_id": 1,
        "entity_type": "adset",
        "entity_id": "s1",
        "known_at": known_at,
        "fields": json.dumps({"effective_status": "ACTIVE", "attribution_setting": setting}),
    }


@pytest.mark.parametrize(("level", "entity_id"), [("campaign", "c1"), ("adset", "s1"), ("ad", "a1")])
def test_a_change_of_the_attribution_setting_breaks_the_tier_for_seven_days(
    level: str, entity_id: str
) -> None:
    changed_on = day(10)
    inputs = feature_inputs(
        small_tree(),
        [*every_day("ad", "a1", range(50)), *every_day("ad", "b1", range(50))],
        versions=[
            attribution(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "7d_click"),
            attribution(dt.datetime.combine(changed_on, dt.time(9), dt.UTC), "1d_click"),
        ],
    )
    dates = tuple(day(back) for back in range(14))
    rows = classified(inputs, level, dates)
    broken = [date for date in dates if row_of(rows, entity_id, date)["tier"] == INSUFFICIENT_DATA]
    assert sorted(broken) == [changed_on + dt.timedelta(days=ahead) for ahead in range(7)]
    assert "attribution" in row_of(rows, entity_id, changed_on)["reason"]
    if level == "ad":
        assert row_of(rows, "b1", changed_on)["tier"] != INSUFFICIENT_DATA


def test_the_day_of_an_attribution_change_is_the_accounts() -> None:
    at_two_utc = dt.datetime.combine(day(3), dt.time(2), dt.UTC)  # still day(4) in São Paulo
    inputs = feature_inputs(
        small_tree(),
        every_day("ad", "a1", range(50)),
        accounts=[account(timezone="America/Sao_Paulo")],
        versions=[
            attribution(dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "7d_click"),
            attribution(at_two_utc, "1d_click"),
        ],
    )
    rows = classified(inputs, "adset", tuple(day(back) for back in range(6)))
    assert row_of(rows, "s1", day(4))["tier"] == INSUFFICIENT_DATA
    assert row_of(rows, "s1", day(5))["tier"] != INSUFFICIENT_DATA


def test_a_tier_that_fell_says_so_and_counts_its_days() -> None:
    rows = [*every_day("ad", "a1", range(12), leads=0), *every_day("ad", "a1", range(12, 45), leads=2)]
    dates = tuple(day(back) for back in range(20))
    tiers = classified(feature_inputs(small_tree(), rows), "ad", dates).filter(pl.col("entity_id") == "a1")
    shown = tiers.sort("classification_date").to_dicts()
    falls = 0
    for earlier, later in itertools.pairwise(shown):
        if later["tier"] != earlier["tier"]:
            falls += 1
            assert later["previous_tier"] == earlier["tier"]
            assert later["tier_change_direction"] == "down"
            assert later["days_in_tier"] == 1
        else:
            assert later["tier_change_direction"] == "same"
            assert later["days_in_tier"] == min(earlier["days_in_tier"] + 1, 28)
    assert 1 <= falls <= 3
    assert shown[-1]["tier"] == "UNDERPERFORMER"


@pytest.mark.parametrize("level", LEVELS)
def test_any_set_of_dates_gives_the_same_rows(synthetic: FeatureInputs, level: EntityType) -> None:
    dates = [END - dt.timedelta(days=back) for back in range(30)]
    features = compute_features(synthetic, level, dates)
    whole = classify(synthetic, level, dates, features)
    for asked in ([dates[0]], [dates[29]], [dates[7], dates[3]], dates[10:24]):
        rows = classify(synthetic, level, asked, features)
        expected = whole.filter(pl.col("classification_date").is_in(asked))
        assert_frame_equal(rows, expected, check_exact=True)


def test_tomorrow_does_not_move_todays_tier(synthetic: FeatureInputs) -> None:
    today = END - dt.timedelta(days=9)
    cut = FeatureInputs(
        synthetic.accounts,
        synthetic.entities,
        synthetic.versions.filter(pl.col("known_at").dt.date() <= today),
        synthetic.metrics.filter(pl.col("date") <= today),
        synthetic.development.filter(pl.col("date") <= today),
    )
    features = compute_features(synthetic, EntityType.AD, [today])
    whole, before = (classify(each, EntityType.AD, [today], features) for each in (synthetic, cut))
    assert_frame_equal(before, whole, check_exact=True)


def test_without_features_the_classification_says_what_to_do() -> None:
    inputs = feature_inputs(small_tree(), every_day("ad", "a1", range(30)))
    with pytest.raises(NotReadyError, match="materialize"):
        classify(inputs, EntityType.AD, [D], empty(FEATURES))


def test_a_day_without_any_delivery_needs_no_features() -> None:
    inputs = feature_inputs(small_tree(), every_day("ad", "a1", range(5, 30)))
    assert classify(inputs, EntityType.AD, [D], empty(FEATURES)).is_empty()


def test_a_tier_holds_until_the_end_of_the_next_day_of_the_account() -> None:
    inputs = feature_inputs(
        small_tree(), every_day("ad", "a1", range(30)), accounts=[account(timezone="America/Sao_Paulo")]
    )
    row = row_of(classified(inputs), "a1")
    assert row["valid_until"] == dt.datetime(2026, 6, 26, 3, tzinfo=dt.UTC)


def test_what_moved_the_estimate_is_named_largest_first(synthetic: FeatureInputs) -> None:
    rows = classified(synthetic, "ad", (END,))
    for text in rows["feature_importances"].drop_nulls():
        first, second = json.loads(text).values()
        assert first["share"] >= second["share"]
        assert first["share"] + second["share"] == pytest.approx(1.0, abs=0.002)
        assert {first["what"], second["what"]} == {"own record", "siblings and levels above"}
