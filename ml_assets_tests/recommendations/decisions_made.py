"""Decisions made by hand, one per rule and level or per guard, with the names and the account around them."""

import datetime as dt
from typing import Any

import polars as pl

from ml_assets.classification import CLASSIFICATIONS
from ml_assets.entities import LEVELS
from ml_assets.frames import ACCOUNTS, ENTITIES
from ml_assets.recommendations.frames import DECISIONS
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.rules import RULES
from ml_assets.recommendations.words import describe
from ml_assets_tests.features.frames_made import Row, frame

D = dt.date(2026, 3, 10)
IDS = {"campaign": ("c1", None), "adset": ("s1", "c1"), "ad": ("a1", "s1")}
NAMES = {"c1": "Leads", "s1": "Lookalike", "s2": "Interests", "a1": "Video 3", "a2": "Photo"}

NUMBERS: Row = {
    "probability": 0.97135,
    "enters_at": 0.95,
    "withdraws_below": 0.6,
    "money_per_week": 1234.5,
    "money_lo_80": -20.25,
    "money_hi_80": 2200.0,
    "leads_per_week": -0.4217,
    "leads_lo_80": -1.2,
    "leads_hi_80": 0.01,
    "spend_per_week": -1300.257,
    "cpl_after": 38.1234,
    "cpl_after_lo_80": 30.0,
    "cpl_after_hi_80": 44.0,
    "step": 0.2,
    "budget": 50.0,
    "budget_after": 60.0,
    "target_cpl": 40.0,
    "cpl": 97.123456,
    "cpl_lo_80": 68.4,
    "cpl_hi_80": 190.2,
    "leads": 2,
    "expected_leads": 10.3123,
    "spend": 1412.55,
    "spend_7d": 230.1,
    "maturity": 0.6444,
    "delivery_days_14d": 14,
    "siblings": 4,
    "siblings_cpl": 41.2345,
    "utilisation": 0.62345,
    "frequency": 3.24444,
    "fatigue_score": 93.2123,
    "fatigue_verdict": "FATIGUED",
    "overlap": 0.55555,
    "overlap_with": "s2",
    "lead_rate_change": -0.35555,
    "ctr_change": 0.02222,
    "ctr_vs_parent": 1.12345,
    "cvr_vs_parent": 0.58765,
    "share_of_parent_spend": 0.12345,
    "paused_days": 12,
    "days": 14,
    "rival_id": "a2",
    "test_leads": 11.2345,
    "test_money": 880.4321,
    "turn_leads": 3,
    "turn_spend": 210.4321,
}
"""A value for everything a sentence may tell."""

ACCOUNT = frame([{"config_id": 1, "currency": "BRL", "timezone": "America/Sao_Paulo"}], ACCOUNTS)
ENTITY_NAMES = frame(
    [
        {"config_id": 1, "entity_type": level, "entity_id": entity_id, "name": NAMES[entity_id]}
        for level, entity_id in (
            ("campaign", "c1"), ("adset", "s1"), ("adset", "s2"), ("ad", "a1"), ("ad", "a2"),
        )
    ],
    ENTITIES,
)  # fmt: skip
SPEND = pl.DataFrame({"config_id": [1], "date": [D], "spend": [7000.0]})


def decision(rule: str, level: str = "ad", **values: Any) -> Row:
    """One decision of a rule, issued, with all numbers; `values` replace them."""
    kind = next(item.recommendation_type for item in RULES if item.name == rule)
    entity_id, parent_id = IDS[level]
    falls = {"step": -0.2, "budget_after": 40.0} if kind == "BUDGET_DECREASE" else {}
    return {
        **NUMBERS,
        **falls,
        "config_id": 1,
        "entity_type": level,
        "entity_id": entity_id,
        "parent_id": parent_id,
        "campaign_id": "c1",
        "recommendation_date": D,
        "recommendation_type": kind,
        "rule": rule,
        "rank": None if "blocked_by" in values else 1,
        "first_date": D,
        "expires_on": D + dt.timedelta(days=6),
        "data_as_of": dt.datetime(2026, 3, 11, 5, tzinfo=dt.UTC),
        **values,
    }


def every_rule(**values: Any) -> list[Row]:
    """A decision of every rule at every level it is asked at."""
    return [
        decision(rule.name, level.value, **values)
        for rule in RULES
        for level in LEVELS
        if level in rule.levels
    ]


def tier(value: str = "LOW", **values: Any) -> pl.DataFrame:
    """The classification of the ad a1."""
    row = {
        "config_id": 1,
        "entity_type": "ad",
        "entity_id": "a1",
        "classification_date": D,
        "tier": value,
        "confidence_score": 0.7,
        **values,
    }
    return frame([row], CLASSIFICATIONS)


def described(
    rows: list[Row],
    language: str = "en",
    *,
    entities: pl.DataFrame = ENTITY_NAMES,
    accounts: pl.DataFrame = ACCOUNT,
    spend: pl.DataFrame = SPEND,
    policy: Policy | None = None,
) -> list[Row]:
    """The decisions in words, as rows."""
    made = describe(frame(rows, DECISIONS), entities, accounts, tier(), spend, policy or Policy(), language)
    return made.to_dicts()
