"""Creative fatigue: told when the ad's own click rate fell, and not for another cause."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from ml_assets_tests.features.frames_made import (
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

DAYS = 60
SEEDS = 8
TREE = [campaign("c1")] + [
    entity
    for s in ("s1", "s2")
    for entity in (adset(s, "c1"), *(ad(f"{s}{number}", s, "c1") for number in range(4)))
]
ADS = [f"{s}{number}" for s in ("s1", "s2") for number in range(4)]
"""Four ads in each of two adsets; `s10` is the one looked at."""

Rate = Callable[[str, int], float]


@cache
def seen(seed: int, rate: Rate, impressions: int = 3000, **values: float) -> Row:
    """Features of `s10` when ads are clicked at `rate(ad, days before D)`."""
    rng = np.random.default_rng(seed)
    rows = [
        figures(
            "ad", name, day(back), impressions=impressions, reach=int(impressions * 0.8),
            clicks=int(rng.poisson(impressions * rate(name, back))), spend=60.0, **values,
        )
        for name in ADS
        for back in range(DAYS)
    ]  # fmt: skip
    return row_of(features_of(feature_inputs(TREE, rows), "ad"), "s10")


def steady(_name: str, _back: int) -> float:
    return 0.012


def decaying(name: str, back: int) -> float:
    """The ad loses half its click rate over the last month."""
    return 0.012 * (1.0 if name != "s10" else 0.5 + 0.5 * min(back / 30, 1.0))


def test_a_decaying_ad_is_fatigued() -> None:
    verdicts = [seen(seed, decaying)["fatigue_verdict"] for seed in range(SEEDS)]
    assert verdicts.count("FATIGUED") >= SEEDS - 1


def test_a_steady_ad_is_not() -> None:
    rows = [seen(seed, steady) for seed in range(SEEDS)]
    calm = [row for row in rows if row["fatigue_verdict"] in ("FRESH", "WATCH")]
    assert len(calm) >= SEEDS - 1
    assert not [row for row in rows if row["fatigue_verdict"] == "FATIGUED"]


def test_an_ad_that_falls_with_its_siblings_is_not_the_cause() -> None:
    def together(_name: str, back: int) -> float:
        return 0.012 * (0.5 + 0.5 * min(back / 30, 1.0))

    verdicts = [seen(seed, together)["fatigue_verdict"] for seed in range(SEEDS)]
    assert "FATIGUED" not in verdicts


def test_clicks_that_stop_everywhere_are_a_fault_of_tracking() -> None:
    def lost(_name: str, back: int) -> float:
        return 0.012 if back >= 7 else 0.0005

    assert seen(1, lost)["fatigue_verdict"] == "TRACKING"


def test_score_and_verdict_agree() -> None:
    for seed in range(SEEDS):
        row = seen(seed, steady)
        score = row["creative_fatigue_score"]
        assert 0.0 <= score <= 100.0
        told = (
            "FATIGUED" if score >= 90 else "LIMITED" if score >= 75 else "WATCH" if score >= 50 else "FRESH"
        )
        assert row["fatigue_verdict"] == told


@pytest.mark.parametrize(
    ("days", "impressions", "spend", "judged"),
    [
        (6, 20_000, 200.0, False),  # too few days
        (7, 1500, 0.1, True),  # 10,500 impressions
        (7, 1400, 0.1, False),  # 9,800 impressions, nothing expected
        (7, 300, 6.0, True),  # few impressions, but 4.2 leads expected
    ],
)
def test_an_ad_is_judged_from_seven_days_with_impressions_or_expected_leads_on(
    days: int, impressions: int, spend: float, judged: bool
) -> None:
    rows = every_day("ad", "s10", range(days), impressions=impressions, spend=spend)
    row = row_of(features_of(feature_inputs(TREE, rows), "ad"), "s10")
    assert (row["creative_fatigue_score"] is not None) == judged
    assert (row["fatigue_verdict"] is not None) == judged


def test_days_to_fatigue_are_told_of_a_falling_ad_alone() -> None:
    def sliding(name: str, back: int) -> float:
        return 0.02 * (1.0 if name != "s10" else 0.85 + 0.15 * min(back / 21, 1.0))

    rows = [seen(seed, sliding, impressions=20_000) for seed in range(SEEDS)]
    told = [row for row in rows if row["days_to_fatigue"] is not None]
    assert len(told) >= SEEDS - 2
    for row in told:
        assert 0.0 <= row["days_to_fatigue_lo_80"] <= row["days_to_fatigue"] < 60
        high = row["days_to_fatigue_hi_80"]
        assert high is None or high >= row["days_to_fatigue"]

    def rising(_name: str, back: int) -> float:
        return 0.02 - 0.0001 * back

    assert seen(1, rising, impressions=20_000)["days_to_fatigue"] is None


def test_days_whose_clicks_are_not_known_are_no_days_without_clicks() -> None:
    rows = [
        *every_day("ad", "s10", range(3), clicks=None, impressions=3000),
        *every_day("ad", "s10", range(3, 60), clicks=40, impressions=3000),
        *every_day("ad", "s11", range(60), clicks=40, impressions=3000),
    ]
    row = row_of(features_of(feature_inputs(TREE, rows), "ad"), "s10")
    assert row["fatigue_verdict"] == "FRESH"


def test_while_the_adset_learns_a_fall_is_no_fatigue() -> None:
    tree = [
        entity | {"learning_status": "LEARNING"} if entity["entity_id"] == "s1" else entity for entity in TREE
    ]
    rows = [
        *every_day("ad", "s10", range(7), clicks=10, impressions=3000),
        *every_day("ad", "s10", range(7, 60), clicks=45, impressions=3000),
        *every_day("ad", "s11", range(60), clicks=45, impressions=3000),
    ]
    assert row_of(features_of(feature_inputs(TREE, rows), "ad"), "s10")["fatigue_verdict"] == "FATIGUED"
    assert row_of(features_of(feature_inputs(tree, rows), "ad"), "s10")["fatigue_verdict"] == "LEARNING"
