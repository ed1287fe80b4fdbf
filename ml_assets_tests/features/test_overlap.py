"""Audience overlap: likeness of what was declared, times the spend that ran together."""

import json
from typing import Any

import polars as pl
import pytest

from ml_assets.features.overlap import METHOD, targeting_likeness
from ml_assets_tests.features.frames_made import (
    Row,
    adset,
    campaign,
    every_day,
    feature_inputs,
    features_of,
    row_of,
)

BRAZIL = {"age_min": 25, "age_max": 44, "geo_locations": {"countries": ["BR"]}}


def likeness(one: Any, other: Any) -> float | None:
    texts = [side if side is None or isinstance(side, str) else json.dumps(side) for side in (one, other)]
    pairs = pl.DataFrame(
        {"targeting_a": texts[:1], "targeting_b": texts[1:]},
        schema={"targeting_a": pl.String, "targeting_b": pl.String},
    )
    there = targeting_likeness(pairs)["likeness"].item()
    back = targeting_likeness(pairs.select(targeting_a="targeting_b", targeting_b="targeting_a"))[
        "likeness"
    ].item()
    assert there == back
    return there


def interests(*ids: int) -> dict[str, Any]:
    return BRAZIL | {"flexible_spec": [{"interests": [{"id": str(number), "name": "x"} for number in ids]}]}


def test_the_same_audience_overlaps_wholly() -> None:
    assert likeness(BRAZIL, BRAZIL) == pytest.approx(1.0)
    assert likeness(interests(1, 2), interests(2, 1)) == pytest.approx(1.0)


def test_audiences_in_different_countries_do_not_overlap() -> None:
    assert likeness(BRAZIL, BRAZIL | {"geo_locations": {"countries": ["PT"]}}) == pytest.approx(0.0)


def test_men_and_women_do_not_overlap() -> None:
    assert likeness(BRAZIL | {"genders": [1]}, BRAZIL | {"genders": [2]}) == pytest.approx(0.0)


def test_ages_apart_do_not_overlap() -> None:
    assert likeness(BRAZIL, BRAZIL | {"age_min": 50, "age_max": 60}) == pytest.approx(0.0)


def test_a_broad_audience_contains_a_narrow_one() -> None:
    narrow = interests(1, 2) | {"genders": [2], "age_min": 30, "age_max": 35}
    assert likeness(BRAZIL, narrow) == pytest.approx(1.0)
    assert likeness({"geo_locations": {"countries": ["BR", "PT"]}}, narrow) == pytest.approx(1.0)


def test_partly_alike_audiences_overlap_in_part() -> None:
    half = likeness(BRAZIL, BRAZIL | {"age_min": 35, "age_max": 54})
    assert half == pytest.approx(0.5)
    some = likeness(interests(1, 2, 3), interests(3, 4, 5))
    assert some is not None
    assert 0.0 < some < 0.6


def test_an_excluded_audience_that_the_other_aims_at_parts_them() -> None:
    aims = BRAZIL | {"custom_audiences": [{"id": "77"}]}
    excludes = BRAZIL | {"excluded_custom_audiences": [{"id": "77"}]}
    assert likeness(aims, excludes) == pytest.approx(0.0)


@pytest.mark.parametrize("unknown", [None, "", "null", "[]", "nonsense", "{broken"])
def test_an_unknown_targeting_has_no_likeness(unknown: str | None) -> None:
    assert likeness(unknown, BRAZIL) is None


def scores(targeting: dict[str, Any], backs: dict[str, range], **states: dict[str, Any]) -> dict[str, Row]:
    """Features of adsets s1, s2, ... of one campaign, each with its targeting and days of delivery."""
    entities = [campaign("c1")] + [
        adset(name, "c1", targeting=json.dumps(declared) if declared else None, **states.get(name, {}))
        for name, declared in targeting.items()
    ]
    insights = [row for name, days in backs.items() for row in every_day("adset", name, days)]
    rows = features_of(feature_inputs(entities, insights), "adset")
    return {name: row_of(rows, name) for name in targeting}


def test_twins_that_run_on_the_same_days_overlap_wholly() -> None:
    rows = scores({"s1": BRAZIL, "s2": BRAZIL}, {"s1": range(30), "s2": range(30)})
    assert rows["s1"]["audience_overlap_score"] == pytest.approx(1.0)
    assert (rows["s1"]["overlap_with"], rows["s2"]["overlap_with"]) == ("s2", "s1")
    assert rows["s1"]["overlap_method"] == METHOD


def test_the_score_is_scaled_by_the_spend_of_common_days() -> None:
    rows = scores({"s1": BRAZIL, "s2": BRAZIL}, {"s1": range(30), "s2": range(10)})
    assert rows["s1"]["audience_overlap_score"] == pytest.approx(20 / 40)
    assert rows["s2"]["audience_overlap_score"] == pytest.approx(20 / 40)


def test_twins_that_never_ran_together_score_zero() -> None:
    rows = scores({"s1": BRAZIL, "s2": BRAZIL}, {"s1": range(10), "s2": range(10, 20)})
    assert rows["s1"]["audience_overlap_score"] == pytest.approx(0.0)


def test_without_targeting_or_an_active_sibling_there_is_no_score() -> None:
    rows = scores({"s1": BRAZIL, "s2": None}, {"s1": range(30), "s2": range(30)})
    assert rows["s1"]["audience_overlap_score"] is None
    assert rows["s2"]["audience_overlap_score"] is None
    rows = scores(
        {"s1": BRAZIL, "s2": BRAZIL},
        {"s1": range(30), "s2": range(30)},
        s2={"effective_status": "PAUSED"},
    )
    assert rows["s1"]["audience_overlap_score"] is None
    assert rows["s1"]["overlap_method"] is None


def test_the_most_alike_sibling_is_named() -> None:
    abroad = BRAZIL | {"geo_locations": {"countries": ["PT"]}}
    rows = scores(
        {"s1": BRAZIL, "s2": abroad, "s3": BRAZIL | {"age_min": 30, "age_max": 50}},
        {"s1": range(30), "s2": range(30), "s3": range(30)},
    )
    assert rows["s1"]["overlap_with"] == "s3"
    assert rows["s2"]["audience_overlap_score"] == pytest.approx(0.0)
