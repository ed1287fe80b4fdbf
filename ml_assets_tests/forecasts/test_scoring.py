"""Scores of forecasts whose days have come."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy import stats

from ml_assets.forecasts.frames import FORECASTS, METRICS, SCORED_POINTS
from ml_assets.forecasts.scoring import largest_stored_gap, score
from ml_assets.frames import ENTITY_METRICS, fill_missing

MADE = dt.date(2026, 6, 1)
NO_FIGURES = pl.DataFrame(schema=dict(ENTITY_METRICS))


def points(rows: list[dict[str, object]]) -> pl.DataFrame:
    base = {
        "config_id": 1, "entity_type": "campaign", "entity_id": "c", "target_metric": "leads",
        "horizon_days": 7, "forecast_date": MADE, "target_date": MADE + dt.timedelta(days=1),
    }  # fmt: skip
    return fill_missing(pl.DataFrame([{**base, **row} for row in rows]), SCORED_POINTS)


def test_rare_leads_drawn_from_their_forecast_are_eighty_percent_inside() -> None:
    rng = np.random.default_rng(1)
    mean = 0.4
    lower, upper = (float(stats.poisson.ppf(level, mean)) for level in (0.1, 0.9))
    cdf = stats.poisson(mean).cdf
    below, upto = cdf(lower - 1), cdf(lower)
    at_lower = (upto - 0.1) / (upto - below)
    at_upper = (0.9 - cdf(upper - 1)) / (cdf(upper) - cdf(upper - 1))
    came = rng.poisson(mean, 20_000)
    told = points(
        [
            {"actual_value": float(value), "predicted_value": mean, "lower_80": lower, "upper_80": upper,
             "inside_lower_80": at_lower, "inside_upper_80": at_upper}
            for value in came
        ]
    )  # fmt: skip
    found = score(told, NO_FIGURES).row(0, named=True)
    assert found["coverage_80"] == pytest.approx(0.8, abs=0.01)
    assert found["bias"] == pytest.approx(0.0, abs=0.03)
    assert ((came >= lower) & (came <= upper)).mean() > 0.9


def test_the_naive_forecast_is_the_last_same_weekday_that_was_known() -> None:
    figures = pl.DataFrame(
        [
            {"config_id": 1, "entity_type": "campaign", "entity_id": "c",
             "date": MADE - dt.timedelta(days=back), "leads": 10 + back}
            for back in range(8)
        ]
    )  # fmt: skip
    told = points(
        [
            {"target_date": MADE + dt.timedelta(days=ahead), "actual_value": 10.0, "predicted_value": 11.0}
            for ahead in (1, 7, 8, 14)
        ]
    )
    found = score(told, fill_missing(figures, ENTITY_METRICS)).row(0, named=True)
    assert found["mae_naive"] == pytest.approx(np.mean([6, 0, 6, 0]))
    assert found["mae"] == pytest.approx(1.0)
    assert found["skill"] == pytest.approx(1 - 1 / 3)


def test_days_that_have_not_come_and_ratios_are_not_scored() -> None:
    told = points(
        [{"predicted_value": 1.0}, {"target_metric": "cpl", "actual_value": 3.0, "predicted_value": 2.0}]
    )
    assert score(told, NO_FIGURES).is_empty()


READ = dt.datetime(2026, 6, 2, tzinfo=dt.UTC)
LATER = READ + dt.timedelta(hours=1)


def tree(*nodes: tuple[str, str, str | None, float, dt.datetime]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Points and forecasts of (entity, level, parent, value of every metric, reading)."""
    keys = [
        {"entity_id": entity, "entity_type": level, "parent_id": parent, "target_metric": metric}
        for entity, level, parent, _, _ in nodes
        for metric in METRICS
    ]
    told = pl.DataFrame(keys).with_columns(
        config_id=1,
        horizon_days=7,
        forecast_date=pl.lit(MADE),
        as_of=pl.Series([node[4] for node in nodes for _ in METRICS]),
        model_version=pl.lit("forecasts-1"),
    )
    values = [
        {"entity_id": entity, "entity_type": level, "target_metric": metric, "predicted_value": value}
        for entity, level, _, value, _ in nodes
        for metric in METRICS
    ]
    return points(values), fill_missing(told, FORECASTS)


def test_a_sum_that_is_not_its_parent_is_found() -> None:
    found = tree(
        ("c", "campaign", None, 3.0, READ),
        ("s1", "adset", "c", 1.0, READ),
        ("s2", "adset", "c", 1.5, READ),
        ("a1", "ad", "s1", 1.1, READ),
    )
    assert largest_stored_gap(*found) == pytest.approx(0.5)


def test_children_of_another_reading_than_their_parent_are_not_compared() -> None:
    found = tree(("c", "campaign", None, 9.0, READ), ("s", "adset", "c", 1.0, LATER))
    assert largest_stored_gap(*found) is None


def test_a_parent_of_which_only_some_children_were_made_anew_is_not_compared() -> None:
    found = tree(
        ("c", "campaign", None, 3.0, LATER),
        ("s1", "adset", "c", 1.0, LATER),
        ("s2", "adset", "c", 1.5, READ),
    )
    assert largest_stored_gap(*found) is None


def test_an_id_that_stands_for_entities_of_two_levels_is_no_mix_up() -> None:
    found = tree(
        ("1", "campaign", None, 3.0, READ), ("1", "adset", "1", 3.0, READ), ("1", "ad", "1", 3.0, READ)
    )
    assert largest_stored_gap(*found) == 0.0


def test_the_order_of_rows_does_not_matter() -> None:
    told, forecasts = tree(
        ("c", "campaign", None, 3.0, READ), ("s1", "adset", "c", 1.0, READ), ("s2", "adset", "c", 1.5, READ)
    )
    shuffled = (
        told.sample(fraction=1.0, shuffle=True, seed=1),
        forecasts.sample(fraction=1.0, shuffle=True, seed=2),
    )
    assert largest_stored_gap(*shuffled) == largest_stored_gap(told, forecasts)
