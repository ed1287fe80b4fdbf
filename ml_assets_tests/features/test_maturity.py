"""Late leads enter as exposure, along a curve learnt from how figures grew."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from ml_assets.entities import EntityType
from ml_assets.features.estimates import grid_for
from ml_assets.features.maturity import DEFAULT_CURVE, Maturity, learn_maturity
from ml_assets_tests.features.frames_made import (
    D,
    Row,
    account,
    day,
    every_day,
    feature_inputs,
    features_of,
    row_of,
    small_tree,
)

TRUE = {1: 0.6, 2: 0.7, 3: 0.8, 4: 0.9, 5: 1.0}
"""Share of a day's leads visible at an age; all of them from 5 days on."""


def grown(final: int, shares: dict[int, float] = TRUE, days: int = 80) -> list[Row]:
    """Readings of past days that grew along `shares`; a last one says they were looked at until day 28."""
    return [
        {"config_id": 1, "date": day(back), "age_days": age, "leads": round(final * share)}
        for back in range(days)
        for age, share in [*shares.items(), (28, 1.0)]
        if age <= back + 1
    ]


def learnt(development: list[Row], read_at: dt.datetime | None = None, days: int = 100) -> Maturity:
    inputs = feature_inputs(
        small_tree(),
        every_day(
            "ad", "a1", range(days), known_at=read_at or dt.datetime.combine(day(-1), dt.time(5), dt.UTC)
        ),
        development=development,
    )
    tree = grid_for(inputs, EntityType.CAMPAIGN, [D])
    return learn_maturity(tree, inputs.metrics, inputs.development, tree.columns([D]))


def test_a_known_curve_is_recovered_from_the_versions() -> None:
    maturity = learnt(grown(2000))
    assert not maturity.assumed[0, 0]
    for age, share in TRUE.items():
        assert maturity.curve[0, 0, age] == pytest.approx(share, abs=0.02), age
    assert maturity.curve[0, 0, 28] == 1.0


def test_without_history_the_default_curve_is_assumed_and_said_to_be() -> None:
    maturity = learnt([])
    np.testing.assert_allclose(maturity.curve[0, 0], DEFAULT_CURVE)
    assert maturity.assumed[0, 0]
    inputs = feature_inputs(small_tree(), every_day("ad", "a1", range(9)))
    assert '"maturity_assumed":true' in row_of(features_of(inputs, "ad"), "a1")["extra"]


def test_a_little_history_moves_the_curve_a_little() -> None:
    little = learnt(grown(10, days=5)).curve[0, 0, 1]
    assert TRUE[1] < little < DEFAULT_CURVE[1]


def test_leads_that_are_taken_back_do_not_make_a_day_more_than_mature() -> None:
    curve = learnt(grown(2000, {1: 1.3, 2: 1.2, 3: 1.1})).curve
    assert curve.max() <= 1.0
    assert curve.min() > 0.0


def test_exposure_shrinks_and_the_count_stays() -> None:
    def of_a1(read_at: dt.datetime) -> Row:
        rows = every_day("ad", "a1", range(30), known_at=read_at)
        return row_of(features_of(feature_inputs(small_tree(), rows), "ad"), "a1")

    fresh = of_a1(dt.datetime.combine(day(-1), dt.time(5), dt.UTC))
    final = of_a1(dt.datetime.combine(day(-40), dt.time(5), dt.UTC))
    visible = [DEFAULT_CURVE[lag + 1] for lag in range(14)]
    assert fresh["maturity"] == pytest.approx(np.mean(visible))
    assert final["maturity"] == 1.0
    assert fresh["leads_14d"] == final["leads_14d"] == 28
    assert fresh["expected_leads"] == pytest.approx(sum(visible) * 20.0 / 10.0)
    assert final["expected_leads"] == pytest.approx(14 * 20.0 / 10.0)
    assert fresh["cpl_7d"] == final["cpl_7d"]


def test_an_immature_week_is_not_a_falling_one() -> None:
    read_at = dt.datetime.combine(day(-1), dt.time(5), dt.UTC)
    rows = [
        row | {"leads": round(1000 * DEFAULT_CURVE[min((D - row["date"]).days + 1, 28)])}
        for row in every_day("ad", "a1", range(30), known_at=read_at)
    ]
    row = row_of(features_of(feature_inputs(small_tree(), rows), "ad"), "a1")
    assert row["leads_trend"] == pytest.approx(0.0, abs=0.002)
    assert row["cpl_trend"] == pytest.approx(0.0, abs=0.002)


def test_a_day_read_again_without_a_change_is_as_old_as_the_newest_reading() -> None:
    early, late = (dt.datetime.combine(day(back), dt.time(5), dt.UTC) for back in (9, -1))
    rows = [
        *every_day("ad", "a1", range(10, 30), known_at=early),
        *every_day("ad", "a1", range(10), known_at=late),
    ]
    inputs = feature_inputs(small_tree(), rows, accounts=[account()])
    tree = grid_for(inputs, EntityType.CAMPAIGN, [D])
    maturity = learn_maturity(tree, inputs.metrics, inputs.development, tree.columns([D]))
    assert maturity.age[0, 0] == 1
    assert maturity.visible(12)[0, 0] == pytest.approx(DEFAULT_CURVE[13])


def test_figures_without_a_moment_of_reading_count_as_final() -> None:
    inputs = feature_inputs(small_tree(), every_day("ad", "a1", range(30)))
    unread = inputs.metrics.with_columns(known_at=pl.lit(None, pl.Datetime("us", "UTC")))
    tree = grid_for(inputs, EntityType.CAMPAIGN, [D])
    maturity = learn_maturity(tree, unread, inputs.development, tree.columns([D]))
    assert maturity.visible(0)[0, 0] == 1.0
