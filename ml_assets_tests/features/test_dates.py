"""A row rests on its own date, account and past alone: no leakage, no effect of what else is asked for."""

import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from benchmarks.estimate import END, make_account
from ml_assets.entities import LEVELS, EntityType
from ml_assets.features import LOOKBACK_DAYS, FeatureInputs, compute_features
from ml_assets_tests.features.frames_made import (
    D,
    Row,
    account,
    ad,
    adset,
    campaign,
    day,
    every_day,
    feature_inputs,
    features_of,
    figures,
    small_tree,
)

FRAMES = [item.name for item in fields(FeatureInputs)]

levels = pytest.mark.parametrize("level", LEVELS)


@cache
def synthetic(seed: int) -> FeatureInputs:
    """A small synthetic account of 150 days: drift, pauses, fatigue, late leads, days without rows."""
    return make_account(seed, days=150, campaigns=5, adsets=12, ads=36).inputs


def before(back: int) -> dt.date:
    return END - dt.timedelta(days=back)


def as_read_for(inputs: FeatureInputs, dates: Sequence[dt.date]) -> FeatureInputs:
    """What a run of these dates alone reads."""
    read = pl.col("date").is_between(min(dates) - dt.timedelta(days=LOOKBACK_DAYS), max(dates))
    return replace(inputs, metrics=inputs.metrics.filter(read), development=inputs.development.filter(read))


def assert_same_rows(left: pl.DataFrame, right: pl.DataFrame) -> None:
    assert_frame_equal(left, right, check_exact=True)


def of_date(rows: pl.DataFrame, date: dt.date) -> pl.DataFrame:
    return rows.filter(pl.col("feature_date") == date)


@levels
def test_one_date_or_ninety_give_the_same_rows(level: EntityType) -> None:
    inputs = synthetic(3)
    ninety = compute_features(inputs, level, [before(back) for back in range(90)])
    for back in (0, 1, 37, 64, 89):
        alone = compute_features(as_read_for(inputs, [before(back)]), level, [before(back)])
        assert_same_rows(alone, of_date(ninety, before(back)))


@levels
def test_any_order_and_chunks_of_dates_give_the_same_rows(level: EntityType) -> None:
    inputs = synthetic(3)
    dates = [before(back) for back in range(24)]
    whole = compute_features(inputs, level, dates)
    random.Random(1).shuffle(dates)  # noqa: S311
    parts = [dates[:3], dates[3:13], [*dates[13:], *dates[:2]]]
    pieces = pl.concat([compute_features(as_read_for(inputs, part), level, part) for part in parts])
    assert_same_rows(pieces.unique(maintain_order=True).sort("entity_id", "feature_date"), whole)


@levels
def test_the_rows_of_a_long_range_do_not_depend_on_how_it_is_cut(
    level: EntityType, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, dates = synthetic(3), [before(back) for back in range(10)]
    whole = compute_features(inputs, level, dates)
    monkeypatch.setattr("ml_assets.features.compute.MOST_CELLS", 1000)
    assert_same_rows(compute_features(inputs, level, dates), whole)


@levels
def test_changing_tomorrow_leaves_today_as_it_is(level: EntityType) -> None:
    inputs = synthetic(3)
    today = before(20)
    later = pl.col("date") > today
    counts = ("spend", "impressions", "clicks", "leads", "reach", "reach_bound", "reach_7d")
    changed = replace(
        inputs,
        metrics=inputs.metrics.with_columns(
            *(
                pl.when(later).then(pl.col(name) * 3 + 1).otherwise(name).cast(dtype).alias(name)
                for name, dtype in inputs.metrics.select(counts).schema.items()
            ),
            known_at=pl.when(later).then(pl.col("known_at").dt.offset_by("9d")).otherwise("known_at"),
        ),
        development=inputs.development.with_columns(
            leads=pl.when(later).then(pl.col("leads") * 2).otherwise("leads")
        ),
    )
    dates = [before(back) for back in range(18, 24)]
    straight, other = (compute_features(each, level, dates) for each in (inputs, changed))
    for date in dates:
        if date <= today:
            assert_same_rows(of_date(other, date), of_date(straight, date))
    assert not of_date(other, before(18)).equals(of_date(straight, before(18)))


@levels
def test_figures_that_are_missing_tomorrow_leave_today_as_it_is(level: EntityType) -> None:
    inputs = synthetic(3)
    today = before(20)
    blinded = replace(
        inputs,
        metrics=inputs.metrics.with_columns(
            pl.when(pl.col("date") <= today).then(name).alias(name)
            for name in ("clicks", "leads", "reach_bound")
        ),
    )
    dates = [today, before(15)]
    straight, other = (compute_features(each, level, dates) for each in (inputs, blinded))
    assert_same_rows(of_date(other, today), of_date(straight, today))


@levels
def test_the_order_of_the_rows_does_not_matter(level: EntityType) -> None:
    inputs, dates = synthetic(3), [END, before(1), before(40)]
    straight = compute_features(inputs, level, dates)
    for seed in range(2):
        mixed = FeatureInputs(
            **{name: getattr(inputs, name).sample(fraction=1, shuffle=True, seed=seed) for name in FRAMES}
        )
        assert_same_rows(compute_features(mixed, level, dates), straight)


def of_account(inputs: FeatureInputs, config_id: int) -> FeatureInputs:
    return FeatureInputs(
        **{name: getattr(inputs, name).with_columns(config_id=pl.lit(config_id, pl.Int64)) for name in FRAMES}
    )


@levels
def test_two_accounts_together_give_what_each_gives_alone(level: EntityType) -> None:
    accounts = [of_account(synthetic(3), 1), of_account(synthetic(4), 2)]
    together = FeatureInputs(
        **{name: pl.concat([getattr(inputs, name) for inputs in accounts]) for name in FRAMES}
    )
    for dates in ([END], [before(back) for back in range(12)]):
        rows = compute_features(together, level, dates)
        for config_id, inputs in enumerate(accounts, start=1):
            alone = compute_features(inputs, level, dates)
            assert_same_rows(rows.filter(pl.col("config_id") == config_id), alone)


def test_an_account_of_one_ad_gives_the_same_rows_for_one_date_or_ninety() -> None:
    rng = random.Random(7)  # noqa: S311
    rows = [
        figures(
            "ad", "a1", day(back), spend=round(rng.uniform(3, 30), 2), clicks=rng.randint(3, 40),
            impressions=rng.randint(400, 1900), leads=rng.randint(0, 4),
        )
        for back in range(200)
    ]  # fmt: skip
    inputs = feature_inputs([campaign("c1"), adset("s1", "c1"), ad("a1", "s1", "c1")], rows)
    for level in LEVELS:
        ninety = compute_features(inputs, level, [day(back) for back in range(90)])
        for back in (0, 50, 89):
            alone = compute_features(as_read_for(inputs, [day(back)]), level, [day(back)])
            assert_same_rows(alone, of_date(ninety, day(back)))


def test_an_ad_that_returns_after_a_long_pause_has_the_same_rows_alone_and_in_a_range() -> None:
    """Its first delivery and best week lie before what a run of the early date alone reads."""
    rows = [
        *every_day("ad", "a1", range(170, 210), clicks=90),
        *every_day("ad", "a1", range(90), clicks=20),
        *every_day("ad", "a2", range(210)),
    ]
    inputs = feature_inputs(small_tree(), rows)
    dates = [day(back) for back in range(90)]
    ninety = features_of(inputs, "ad", dates)
    for back in (0, 57, 58, 62, 75, 89):
        assert_same_rows(
            features_of(as_read_for(inputs, [day(back)]), "ad", [day(back)]), of_date(ninety, day(back))
        )


def version(level: str, entity_id: str, back: int, fields: str) -> Row:
    return {
        "config_id": 1,
        "entity_type": level,
        "entity_id": entity_id,
        "known_at": dt.datetime.combine(day(back), dt.time(12), dt.UTC),
        "fields": fields,
    }


def test_an_ad_that_was_active_but_delivered_only_later_has_the_same_rows_alone_and_in_a_range() -> None:
    entities = [*small_tree(), ad("late", "s1", "c1", effective_status="PAUSED")]
    inputs = feature_inputs(
        entities,
        [*every_day("ad", "a1", range(60)), *every_day("ad", "late", range(5))],
        versions=[
            version("ad", "late", 30, '{"effective_status":"ACTIVE"}'),
            version("ad", "late", 1, '{"effective_status":"PAUSED"}'),
        ],
    )
    dates = [day(back) for back in range(40)]
    for level in LEVELS:
        whole = features_of(inputs, level, dates)
        for back in (0, 3, 20, 35):
            alone = features_of(as_read_for(inputs, [day(back)]), level, [day(back)])
            assert_same_rows(alone, of_date(whole, day(back)))
    late = features_of(inputs, "ad", dates).filter(pl.col("entity_id") == "late")
    assert late["feature_date"].min() == day(30)


def test_dates_before_the_first_data_know_nothing_of_it() -> None:
    inputs = feature_inputs(
        small_tree(),
        every_day("ad", "a1", range(30), leads=5),
        versions=[version("ad", "a1", 90, '{"effective_status":"ACTIVE"}')],
    )
    early = day(60)
    for level in LEVELS:
        alone = features_of(as_read_for(inputs, [early]), level, [early])
        ranged = features_of(inputs, level, [early, day(29), D])
        assert_same_rows(of_date(ranged, early), alone)
        assert of_date(ranged, early)["spend_7d"].sum() == 0.0
        assert of_date(ranged, early)["days_active"].sum() == 0


def test_without_any_figures_there_are_no_rows_but_the_whole_schema() -> None:
    nothing = feature_inputs([], [])
    some = feature_inputs(small_tree(), every_day("ad", "a1", range(9)))
    for level in LEVELS:
        empty = features_of(nothing, level)
        assert empty.is_empty()
        assert empty.schema == features_of(some, level).schema
        assert compute_features(some, level, []).is_empty()


def test_an_account_without_a_time_zone_is_read_in_utc() -> None:
    rows = every_day("ad", "a1", range(20))
    without = feature_inputs(small_tree(), rows, accounts=[account(timezone=None)])
    assert_same_rows(features_of(without, "ad"), features_of(feature_inputs(small_tree(), rows), "ad"))
