"""What a recommendation is said to bring, against draws from the posterior and the elasticity."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_assets.recommendations.impact import SHIFT, with_impact
from ml_assets.recommendations.policy import Policy

DRAWS = 200_000
SPEND, TARGET = 700.0, 50.0
SHAPE, RATE = 6.0, 8.0
OTHERS = 0.8

NUMBERS: dict[str, Any] = {
    "entity_type": "adset",
    "rule": "",
    "shape": SHAPE,
    "rate": RATE,
    "spend_7d": SPEND,
    "target_cpl": TARGET,
    "step": None,
    "others_mean": OTHERS,
    "prior_mean": 1.0,
    "siblings": 2.0,
    "daily_budget": 100.0,
    "record_spend": None,
    "record_days": None,
    "record_shape": None,
    "record_rate": None,
    "test_gain": None,
    "lead_rate_change": None,
    "fatigue_score": None,
    "cvr_vs_parent": None,
}
TEXTS = ("entity_type", "rule", "recommendation_type")


def impact(kind: str, policy: Policy | None = None, **values: Any) -> dict[str, Any]:
    row = NUMBERS | {"recommendation_type": kind} | values
    schema = {name: pl.String() if name in TEXTS else pl.Float64() for name in row}
    return with_impact(pl.DataFrame([row], schema=schema), policy or Policy()).row(0, named=True)


def drawn(step: float, elasticity: float = 0.8, deviation: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Draws of r, and of what leads are multiplied with when the budget changes by `step`."""
    rng = np.random.default_rng(1)
    r = rng.gamma(SHAPE, 1.0 / RATE, DRAWS)
    return r, (1.0 + step) ** rng.normal(elasticity, deviation, DRAWS)


def assert_told(row: dict[str, Any], name: str, draws: np.ndarray) -> None:
    """To 3 % of the width of the interval."""
    ends = {"lo": np.quantile(draws, 0.1), "hi": np.quantile(draws, 0.9)}
    tolerance = 0.03 * (ends["hi"] - ends["lo"])
    middle = name if name.startswith("cpl") else f"{name}_per_week"
    expected = np.median(draws) if name.startswith("cpl") else draws.mean()
    assert row[middle] == pytest.approx(expected, abs=tolerance), middle
    for end, expected in ends.items():
        assert row[f"{name}_{end}_80"] == pytest.approx(expected, abs=tolerance), end


@pytest.mark.parametrize(
    ("kind", "step"), [("SCALE_UP", 0.2), ("BUDGET_INCREASE", 0.1), ("BUDGET_DECREASE", -0.2)]
)
def test_a_budget_change_brings_what_the_draws_bring(kind: str, step: float) -> None:
    row = impact(kind, step=step)
    r, multiple = drawn(step)
    change = r * (multiple - 1.0)
    assert_told(row, "leads", SPEND / TARGET * change)
    assert_told(row, "money", SPEND * (change - step))
    assert_told(row, "cpl_after", TARGET * (1.0 + step) / (r * multiple))
    assert row["spend_per_week"] == pytest.approx(SPEND * step)
    assert row["budget_after"] == pytest.approx(100.0 * (1.0 + step))


def test_a_pause_saves_the_spend_and_loses_the_leads() -> None:
    row = impact("PAUSE")
    r, _ = drawn(0.0)
    assert_told(row, "money", SPEND * (1.0 - r))
    assert row["spend_per_week"] == -SPEND
    assert row["cpl_after"] is None
    assert row["budget_after"] is None


def test_a_winner_takes_its_money_from_its_siblings_and_gets_dearer_itself() -> None:
    row = impact("CREATIVE_WINNER", entity_type="ad")
    r, multiple = drawn(SHIFT)
    assert_told(row, "money", SPEND * (r * (multiple - 1.0) - SHIFT * OTHERS))
    assert_told(row, "cpl_after", TARGET * (1.0 + SHIFT) / (r * multiple))
    assert row["spend_per_week"] == 0.0


def test_what_stands_still_brings_what_its_record_says() -> None:
    row = impact(
        "REACTIVATE", record_spend=600.0, record_days=30.0, record_shape=12.0, record_rate=9.0, spend_7d=0.0
    )
    weekly = 600.0 / 30.0 * 7.0
    assert row["spend_per_week"] == pytest.approx(weekly)
    assert row["leads_per_week"] == pytest.approx(weekly / TARGET * 12.0 / 9.0)
    assert row["money_per_week"] == pytest.approx(weekly * (12.0 / 9.0 - 1.0))


def test_a_winner_alone_and_a_test_are_not_given_figures_they_cannot_have() -> None:
    test = impact("CREATIVE_TEST", entity_type="ad", test_gain=12.0)
    assert test["money_per_week"] == 12.0
    assert test["leads_per_week"] is None
    overlap = impact("AUDIENCE_REVIEW", rule="audience_overlap")
    assert overlap["money_per_week"] is None
    assert impact("SCALE_UP", step=0.2, target_cpl=None, shape=None, rate=None)["money_per_week"] is None


def test_returns_diminish_as_the_policy_says() -> None:
    flat = impact("SCALE_UP", Policy(elasticity=0.3, elasticity_sd=0.0), step=0.2)
    steep = impact("SCALE_UP", Policy(elasticity=1.0, elasticity_sd=0.0), step=0.2)
    assert flat["leads_per_week"] < steep["leads_per_week"]
    assert steep["leads_per_week"] == pytest.approx(SPEND / TARGET * SHAPE / RATE * 0.2)
    assert steep["cpl_after"] == pytest.approx(TARGET / np.median(drawn(0.0)[0]), rel=0.01)
