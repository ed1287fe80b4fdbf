"""Checks of results: what is stored can be what it is said to be."""

import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_assets.checks.freshness import freshness
from ml_assets.checks.results import (
    FEATURE_COLUMNS,
    check_anomalies,
    check_classifications,
    check_features,
    check_recommendations,
)
from ml_assets.classification import TIERS
from ml_assets.frames import empty
from ml_assets.recommendations.frames import SUSPENSIONS

D = dt.date(2026, 6, 24)
KEY = {"config_id": 1, "entity_type": "ad", "entity_id": "a1", "date": D}
OTHER = {**KEY, "config_id": 2}


def passed(found: pl.DataFrame) -> dict[int, bool]:
    return dict(found.select("config_id", "passed").iter_rows())


def test_a_feature_that_is_no_number_fails_its_account_and_one_that_is_unknown_does_not() -> None:
    fine = dict.fromkeys(FEATURE_COLUMNS, None) | {FEATURE_COLUMNS[0]: 1.5}
    rows = pl.DataFrame(
        [{**KEY, **fine, FEATURE_COLUMNS[3]: float("inf")}, {**OTHER, **fine}],
        schema_overrides=dict.fromkeys(FEATURE_COLUMNS, pl.Float64()),
    )
    found = check_features(rows)
    assert passed(found) == {1: False, 2: True}
    assert FEATURE_COLUMNS[3] in found["sentence"][0]


def classified(**values: object) -> pl.DataFrame:
    masses = dict(zip(TIERS, (0.7, 0.2, 0.1, 0.0), strict=True))
    row = {"tier": TIERS[0], "confidence_score": 0.7, "probabilities": json.dumps(masses), "reason": None}
    schema = {"tier": pl.String(), "reason": pl.String(), "probabilities": pl.String()}
    return pl.DataFrame([{**KEY, **row, **values}, {**OTHER, **row}], schema_overrides=schema)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"probabilities": json.dumps(dict.fromkeys(TIERS, 0.3))}, "sum to 1.2"),
        ({"probabilities": json.dumps({TIERS[0]: 1.0})}, "sum to NaN"),
        ({"probabilities": None}, "no probabilities"),
        ({"tier": "SPLENDID"}, "no tier SPLENDID"),
        ({"tier": TIERS[1]}, "not the probability of its tier"),
        ({"tier": None}, "no tier and no reason"),
    ],
)
def test_a_classification_that_contradicts_itself_fails_its_account(
    values: dict[str, object], why: str
) -> None:
    found = check_classifications(classified(**values))
    assert passed(found) == {1: False, 2: True}
    assert why in found["sentence"][0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4), st.integers(0, 3))
def test_any_masses_that_sum_to_one_pass_whichever_tier_is_held(weights: list[float], held: int) -> None:
    masses = {tier: weight / sum(weights) for tier, weight in zip(TIERS, weights, strict=True)}
    tier = TIERS[held]
    rows = classified(tier=tier, confidence_score=masses[tier], probabilities=json.dumps(masses))
    assert passed(check_classifications(rows)) == {1: True, 2: True}


def test_an_entity_without_enough_data_needs_no_probabilities() -> None:
    values = {"tier": "INSUFFICIENT_DATA", "confidence_score": None, "probabilities": None}
    assert passed(check_classifications(classified(**values))) == {1: True, 2: True}


@pytest.mark.parametrize(
    "values", [{"p_value": 1.2}, {"p_value": -0.1}, {"lower_value": 9.0}, {"severity": "DIRE"}]
)
def test_an_anomaly_that_cannot_be_fails_its_account(values: dict[str, object]) -> None:
    row = {"p_value": 0.01, "severity": "LOW", "lower_value": 1.0, "upper_value": 2.0}
    rows = pl.DataFrame([{**KEY, **row, **values}, {**OTHER, **row}])
    assert passed(check_anomalies(rows)) == {1: False, 2: True}


def advised(**values: object) -> pl.DataFrame:
    row = {
        "recommendation_type": "PAUSE",
        "status": "active",
        "blocked_by": None,
        "confidence_score": 0.97,
        "priority": 5,
        "expires_at": dt.datetime(2026, 7, 1, tzinfo=dt.UTC),
    }
    return pl.DataFrame(
        [{**KEY, **row, **values}, {**OTHER, **row}], schema_overrides={"blocked_by": pl.String()}
    )


@pytest.mark.parametrize(
    "values", [{"confidence_score": 1.01}, {"blocked_by": "mood"}, {"priority": None}, {"expires_at": None}]
)
def test_advice_that_no_rule_can_give_fails_its_account(values: dict[str, object]) -> None:
    assert passed(check_recommendations(advised(**values), empty(SUSPENSIONS))) == {1: False, 2: True}


def test_advice_for_an_account_that_failed_the_data_checks_fails_unless_it_is_blocked_or_done() -> None:
    suspended = pl.DataFrame([(1, "ad", D, "data_quality", "late")], schema=dict(SUSPENSIONS), orient="row")
    assert passed(check_recommendations(advised(), suspended)) == {1: False, 2: True}
    for values in ({"blocked_by": "data_quality"}, {"status": "applied"}):
        assert passed(check_recommendations(advised(**values), suspended)) == {1: True, 2: True}


def test_a_level_is_fresh_when_yesterday_is_there() -> None:
    assert freshness("anomalies", "ad", D, D)[0]
    is_fresh, sentence = freshness("anomalies", "ad", D - dt.timedelta(days=2), D)
    assert not is_fresh
    assert "2 days before 2026-06-24" in sentence
    assert "never materialized" in freshness("anomalies", "ad", None, D)[1]
