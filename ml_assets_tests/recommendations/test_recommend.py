import datetime as dt
import json

import polars as pl
import pytest

from ml_assets.classification import classify
from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import NotReadyError
from ml_assets.features.inputs import FeatureInputs
from ml_assets.recommendations.frames import RECOMMENDATIONS
from ml_assets.recommendations.inputs import DecisionInputs
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.recommend import recommend, weekly_spend
from ml_assets_tests.features.frames_made import (
    D,
    account,
    day,
    every_day,
    feature_inputs,
    features_of,
    small_tree,
)

LEADS = {"a1": 0, "a2": 2, "a3": 2, "b1": 2, "b2": 2, "b3": 2}
"""Leads a day at 20 spent and a target of 10: a1 is hopeless, the others are right on target."""

NEVER_PAUSES = Policy().changed({"pause_expected_leads": 1000.0}, "mild")


@pytest.fixture(scope="module")
def figures() -> FeatureInputs:
    """Two accounts with the same tree and figures; a1 has run for some days only."""
    both = (1, 2)
    return feature_inputs(
        [row for config_id in both for row in small_tree(config_id)],
        [
            row
            for config_id in both
            for ad, leads in LEADS.items()
            for row in every_day("ad", ad, range(5 if ad == "a1" else 60), config_id=config_id, leads=leads)
        ],
        accounts=[account(config_id, currency="BRL") for config_id in both],
    )


@pytest.fixture(scope="module")
def tiers(figures: FeatureInputs) -> pl.DataFrame:
    """Classifications of all levels."""
    return pl.concat(classify(figures, level, [D], features_of(figures, level, [D])) for level in LEVELS)


@pytest.fixture(scope="module")
def made(figures: FeatureInputs, tiers: pl.DataFrame) -> pl.DataFrame:
    """Both accounts by the default policy."""
    return recommend(DecisionInputs(figures), EntityType.AD, [D], tiers, {}, "pt-BR")


def test_a_hopeless_ad_is_to_be_paused_in_the_words_of_the_language(made: pl.DataFrame) -> None:
    assert dict(made.schema) == dict(RECOMMENDATIONS)
    paused = made.filter(pl.col("recommendation_type") == "PAUSE", pl.col("config_id") == 1)
    row = paused.row(0, named=True)
    assert (paused.height, row["entity_id"], row["status"]) == (1, "a1", "active")
    assert row["title"] == "Pausar o anúncio 'a1' em 's1'"
    assert "nenhum lead com R$ 100 de gasto em 14 dias" in row["description"]
    assert json.loads(row["reasoning"])["tier"] == "UNDERPERFORMER"


def test_each_account_is_judged_by_its_own_policy(
    figures: FeatureInputs, tiers: pl.DataFrame, made: pl.DataFrame
) -> None:
    policies = {2: NEVER_PAUSES}
    mixed = recommend(DecisionInputs(figures), EntityType.AD, [D], tiers, policies, "pt-BR")
    assert mixed.filter(pl.col("config_id") == 1).equals(made.filter(pl.col("config_id") == 1))
    of_other = mixed.filter(pl.col("config_id") == 2)
    assert "PAUSE" not in of_other["recommendation_type"].to_list()
    assert {json.loads(reasoning)["policy_version"] for reasoning in of_other["reasoning"]} <= {"mild"}


@pytest.mark.parametrize("missing", LEVELS)
def test_a_level_or_one_above_without_classifications_is_not_ready(
    figures: FeatureInputs, tiers: pl.DataFrame, missing: EntityType
) -> None:
    known = tiers.filter(pl.col("entity_type") != missing.value)
    with pytest.raises(NotReadyError, match=f"classifications of {missing.value}s of account 1 for {D}"):
        recommend(DecisionInputs(figures), EntityType.AD, [D], known, {}, "en")


def test_levels_below_need_no_classification(figures: FeatureInputs, tiers: pl.DataFrame) -> None:
    known = tiers.filter(pl.col("entity_type") == "campaign")
    made = recommend(DecisionInputs(figures), EntityType.CAMPAIGN, [D], known, {}, "en")
    assert made.filter(pl.col("entity_type") != "campaign").is_empty()


def test_one_account_without_classifications_is_not_ready(
    figures: FeatureInputs, tiers: pl.DataFrame
) -> None:
    known = tiers.filter(pl.col("config_id") == 1)
    with pytest.raises(NotReadyError, match="of account 2"):
        recommend(DecisionInputs(figures), EntityType.AD, [D], known, {}, "en")


def test_weekly_spend_counts_the_campaigns_of_seven_days(figures: FeatureInputs) -> None:
    made = weekly_spend(figures, [D, day(7), D + dt.timedelta(days=3)]).sort("config_id", "date")
    assert made.filter(pl.col("config_id") == 1)["spend"].to_list() == [700.0, 800.0, 480.0]
