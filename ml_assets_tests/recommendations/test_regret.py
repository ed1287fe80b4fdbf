import datetime as dt
from typing import Any

import polars as pl
import pytest

from ml_assets.frames import ENTITIES, fill_missing
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.regret import judge, missed, regret, true_rates, wrong_rates

DATE = dt.date(2026, 3, 20)
T = 50.0

TREE = fill_missing(
    pl.DataFrame(
        {
            "config_id": [1] * 6,
            "entity_type": ["campaign", "adset", "adset", "ad", "ad", "ad"],
            "entity_id": ["c", "s1", "s2", "a1", "a2", "a3"],
            "parent_id": [None, "c", "c", "s1", "s1", "s2"],
            "campaign_id": ["c"] * 6,
        }
    ),
    ENTITIES,
)


def truth_of(days_back: int = 14, dates: tuple[dt.date, ...] = (DATE,), **cpl_of: float) -> pl.DataFrame:
    """True rates of entities that spend 100 a day at the given true CPL (inf: no leads)."""
    levels = dict(TREE.select("entity_id", "entity_type").rows())
    first = min(dates)
    span = (max(dates) - first).days + days_back
    rows = [
        {
            "entity_type": levels[entity],
            "entity_id": entity,
            "date": max(dates) - dt.timedelta(days=back),
            "spend": 100.0,
            "expected_leads": 100.0 / cpl,
        }
        for entity, cpl in cpl_of.items()
        for back in range(span)
    ]
    return true_rates(pl.DataFrame(rows), TREE, dates)


def advice(entity_type: str, entity_id: str, kind: str, **values: Any) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "config_id": 1,
            "entity_type": entity_type,
            "entity_id": entity_id,
            "recommendation_type": kind,
            "recommendation_date": DATE,
            "target_cpl": T,
            "step": None,
            "money_per_week": 10.0,
            **values,
        },
        schema_overrides={"step": pl.Float64},
    )


TARGETS = pl.DataFrame({"config_id": [1], "campaign_id": ["c"], "date": [DATE], "target_cpl": [T]})


@pytest.mark.parametrize(
    ("kind", "cpl", "is_wrong"),
    [
        ("PAUSE", 100.0, False),
        ("PAUSE", 50.0, True),
        ("PAUSE", float("inf"), False),
        ("BUDGET_DECREASE", 40.0, True),
        ("SCALE_UP", 40.0, False),
        ("SCALE_UP", 50.0, True),
        ("BUDGET_INCREASE", float("inf"), True),
        ("CREATIVE_REFRESH", 40.0, None),
    ],
)
def test_advice_is_wrong_by_the_true_cost_per_lead(kind: str, cpl: float, is_wrong: bool | None) -> None:
    assert judge(advice("ad", "a1", kind), truth_of(a1=cpl))["is_wrong"].item() is is_wrong


def test_the_truth_is_that_of_the_14_days_up_to_the_date() -> None:
    days = pl.DataFrame(
        {
            "entity_type": ["ad"] * 3,
            "entity_id": ["a1"] * 3,
            "date": [DATE - dt.timedelta(days=back) for back in (-1, 13, 14)],
            "spend": [1000.0, 100.0, 1000.0],
            "expected_leads": [0.0, 4.0, 0.0],
        }
    )
    row = true_rates(days, TREE, [DATE])
    assert row.select("true_spend", "true_leads", "true_cpl", "weekly_spend").rows() == [(100, 4, 25, 0)]


def test_a_winner_is_right_only_as_the_cheapest_of_the_siblings_that_deliver() -> None:
    truth = truth_of(a1=60.0, a2=40.0, a3=20.0)
    assert judge(advice("ad", "a2", "CREATIVE_WINNER"), truth)["is_wrong"].item() is False
    assert judge(advice("ad", "a1", "CREATIVE_WINNER"), truth)["is_wrong"].item() is True


def test_a_pause_earns_what_the_entity_lost_and_loses_what_it_earned() -> None:
    def money(cpl: float) -> float:
        return judge(advice("ad", "a1", "PAUSE"), truth_of(a1=cpl))["true_money_per_week"].item()

    assert money(100.0) == pytest.approx(700 - 7 * 50)  # 700 a week bought 7 leads worth 50 each
    assert money(25.0) == pytest.approx(700 - 28 * 50)
    assert money(float("inf")) == pytest.approx(700)


def test_a_budget_change_is_paid_by_leads_after_diminishing_returns() -> None:
    truth = truth_of(c=25.0)
    policy = Policy().changed({"elasticity": 1.0}, "linear")
    assert judge(advice("campaign", "c", "SCALE_UP", step=0.1), truth, policy)[
        "true_money_per_week"
    ].item() == pytest.approx(0.1 * (28 * 50 - 700))
    diminishing = judge(advice("campaign", "c", "SCALE_UP"), truth)["true_money_per_week"].item()
    assert diminishing == pytest.approx(1400 * (1.2**0.8 - 1) - 0.2 * 700)
    cut = judge(advice("campaign", "c", "BUDGET_DECREASE"), truth_of(c=100.0))["true_money_per_week"].item()
    assert cut == pytest.approx(350 * (0.8**0.8 - 1) + 0.2 * 700)


def test_an_entity_counts_once_however_long_its_advice_stood() -> None:
    later = DATE + dt.timedelta(days=1)
    judged = pl.DataFrame(
        {
            "config_id": [1] * 4,
            "entity_type": ["ad"] * 4,
            "entity_id": ["a1", "a1", "a2", "a3"],
            "recommendation_type": ["PAUSE"] * 4,
            "recommendation_date": [later, DATE, DATE, DATE],
            "is_wrong": [True, False, False, None],
        }
    )
    assert wrong_rates(judged).rows() == [("PAUSE", 2, 1, 0, 0.5)]


@pytest.mark.parametrize(
    "told",
    [("ad", "a1"), ("adset", "s1"), ("campaign", "c")],
    ids=["on itself", "on its adset", "on its campaign"],
)
def test_an_entity_is_not_missed_when_it_or_a_level_above_was_acted_upon(told: tuple[str, str]) -> None:
    truth = truth_of(c=50.0, s1=50.0, a1=100.0)
    nothing = advice("ad", "a1", "PAUSE").clear()
    assert missed(nothing, truth, TARGETS)["entity_id"].to_list() == ["a1"]
    assert missed(advice(*told, "PAUSE"), truth, TARGETS).is_empty()


def test_money_missed_at_a_campaign_is_not_missed_again_at_its_ads() -> None:
    truth = truth_of(c=100.0, s1=100.0, s2=100.0, a1=100.0, a3=100.0)
    nothing = advice("ad", "a1", "PAUSE").clear()
    rows = missed(nothing, truth, TARGETS)
    assert rows.select("entity_id", "missed_per_week").rows() == [("c", pytest.approx(350.0))]
    # Advice on one ad speaks for its campaign and adset, and for no other ad.
    partly = missed(advice("ad", "a1", "PAUSE"), truth, TARGETS)
    assert partly["entity_id"].to_list() == ["s2"]


def test_nothing_is_missed_near_the_target_without_leads_to_expect_or_where_leads_are_not_the_goal() -> None:
    nothing = advice("ad", "a1", "PAUSE").clear()
    assert missed(nothing, truth_of(a1=70.0, a2=36.0), TARGETS).is_empty()
    assert missed(nothing, truth_of(days_back=2, a1=float("inf")), TARGETS).is_empty()
    no_goal = TARGETS.with_columns(target_cpl=pl.lit(None, dtype=pl.Float64))
    assert missed(nothing, truth_of(a1=float("inf")), no_goal).is_empty()


def test_regret_is_what_wrong_advice_lost_and_silence_missed_on_an_average_date() -> None:
    truth = truth_of(c=50.0, s1=50.0, s2=50.0, a1=25.0, a2=100.0, a3=100.0)
    plan = pl.concat([advice("ad", "a1", "PAUSE"), advice("ad", "a2", "PAUSE")])
    judged = judge(plan, truth)
    silent = missed(plan, truth, TARGETS)
    total = regret(judged, silent, [DATE, DATE + dt.timedelta(days=1)]).row(-1, named=True)
    assert total == {
        "entity_type": None,
        "promised": pytest.approx(10.0),
        "earned": pytest.approx(350 / 2),
        "lost": pytest.approx(700 / 2),
        "missed": pytest.approx(350 / 2),
        "missed_entities": 1,
        "regret": pytest.approx(1050 / 2),
    }
