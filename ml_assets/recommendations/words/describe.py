"""Decisions in words: titles, descriptions, JSON documents, priority and status of a whole frame."""

import math

import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import empty, fill_missing
from ml_assets.local_days import day_end, local_date, zones_of
from ml_assets.recommendations.frames import DECISIONS, RECOMMENDATIONS
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.words.documents import expected_impact, reasoning, suggested_action
from ml_assets.recommendations.words.languages import LANGUAGES
from ml_assets.recommendations.words.sentences import say
from ml_assets.words.names import OTHER_LENGTH, OWN_LENGTH, clean_names, with_name
from ml_assets.words.phrases import language_of

FIRST_PRIORITY, LAST_PRIORITY = 10, 1

TOP_SHARE = 0.05
"""Share of the account's weekly spend that a recommendation of the first priority is worth at least."""

DETECTED = "detected"
"""`applied_by` of what was seen in the entity versions."""


def describe(
    decisions: pl.DataFrame,
    entities: pl.DataFrame,
    accounts: pl.DataFrame,
    classifications: pl.DataFrame,
    weekly_spend: pl.DataFrame,
    policy: Policy,
    language: str,
) -> pl.DataFrame:
    """DECISIONS as RECOMMENDATIONS, in `language`; one row each, in the same order.

    `entities` (ENTITIES) gives the names, `accounts` (ACCOUNTS) currency and time zone, `classifications`
    the tier of the entity itself, `weekly_spend` (config_id, date, spend) what the account spent in the 7
    days up to each date. A sentence whose number is null is left out; a name that is not known is the id.
    Raises UsageError for a language there are no phrases in.
    """
    words = language_of(language, LANGUAGES)
    if decisions.is_empty():
        return empty(RECOMMENDATIONS)
    frame = _with_context(_told(decisions), entities, accounts, classifications, weekly_spend)
    zones = zones_of(accounts)
    is_detected = pl.col("detected_at").is_not_null()
    return fill_missing(
        pl.concat([frame, say(frame, words, policy)], how="horizontal").with_columns(
            status=pl.when(is_detected).then(pl.lit("applied")).otherwise(pl.lit("active")),
            priority=priority(),
            suggested_action=suggested_action(),
            confidence_score="probability",
            reasoning=reasoning(policy),
            expected_impact=expected_impact(),
            cost_of_waiting=pl.col("money_per_week").clip(lower_bound=0.0),
            created_at="data_as_of",
            expires_at=day_end(pl.col("expires_on"), pl.col("timezone"), zones),
            applied_at="detected_at",
            applied_by=pl.when(is_detected).then(pl.lit(DETECTED)),
        ),
        RECOMMENDATIONS,
    )


def priority() -> pl.Expr:
    """10 (first) to 1, from money and certainty; needs DECISIONS and `weekly_spend`.

    With s = money_per_week x probability / spend of the account in 7 days, it is 10 + floor(log2(s / 0.05))
    within 1 and 10: 10 from 5 % of the account's weekly spend on, one less with every halving. 1 where the
    money is not known or not positive. Among the issued of an account, level and date one of a better
    rank is at least as high as those after it: it is raised to the highest of them.
    """
    certain_money = pl.col("money_per_week") * pl.col("probability").fill_null(0.0)
    steps = (certain_money / pl.col("weekly_spend").fill_null(0.0) / TOP_SHARE).log(2.0).floor()
    own = (
        pl.when(certain_money > 0)
        .then((FIRST_PRIORITY + steps).clip(LAST_PRIORITY, FIRST_PRIORITY))
        .otherwise(LAST_PRIORITY)
        .cast(pl.Int64)
    )
    raised = own.cum_max().over(
        "config_id", "entity_type", "recommendation_date", pl.col("rank").is_null(),
        order_by="rank", descending=True,
    )  # fmt: skip
    return pl.when(pl.col("rank").is_not_null()).then(raised).otherwise(own)


def _told(decisions: pl.DataFrame) -> pl.DataFrame:
    """Decisions with null for what cannot be told.

    That is numbers that are infinite or not a number, and a step against what is advised: where the guard
    `step` leaves less than nothing for a rise.
    """
    floats = [name for name, dtype in DECISIONS.items() if dtype == pl.Float64]
    falls = pl.col("recommendation_type") == "BUDGET_DECREASE"
    is_sensible = pl.when(falls).then(pl.col("step") < 0).otherwise(pl.col("step") > 0)
    return decisions.with_columns(
        pl.when(pl.col(name).abs() < math.inf).then(pl.col(name)) for name in floats
    ).with_columns(pl.when(is_sensible).then(pl.col(name)).alias(name) for name in ("step", "budget_after"))


def _with_context(
    decisions: pl.DataFrame,
    entities: pl.DataFrame,
    accounts: pl.DataFrame,
    classifications: pl.DataFrame,
    weekly_spend: pl.DataFrame,
) -> pl.DataFrame:
    """Decisions with currency, time zone, tier, the account's spend, and the quoted names around each."""
    parents = {level.value: level.parent.value for level in LEVELS if level.parent is not None}
    parent_type = pl.col("entity_type").replace_strict(
        list(parents), list(parents.values()), default=None, return_dtype=pl.String
    )
    key = ["config_id", "entity_type", "entity_id"]
    tiers = classifications.select(
        *key,
        pl.col("classification_date").alias("recommendation_date"),
        "tier",
        pl.col("confidence_score").alias("tier_confidence"),
    )
    spend = weekly_spend.select(
        "config_id",
        pl.col("date").alias("recommendation_date"),
        pl.col("spend").cast(pl.Float64).alias("weekly_spend"),
    )
    frame = (
        decisions.join(
            accounts.select("config_id", "currency", pl.col("timezone").fill_null("UTC")),
            on="config_id", how="left", maintain_order="left",
        )
        .join(
            tiers, on=[*key, "recommendation_date"], how="left", maintain_order="left", validate="m:1"
        )
        .join(
            spend, on=["config_id", "recommendation_date"], how="left", maintain_order="left", validate="m:1"
        )
        .with_columns(
            parent_type=parent_type,
            detected_on=local_date(pl.col("detected_at"), pl.col("timezone"), zones_of(accounts)),
        )
    )  # fmt: skip
    names = clean_names(entities)
    ad, adset = pl.lit(EntityType.AD.value), pl.lit(EntityType.ADSET.value)
    frame = with_name(frame, names, pl.col("entity_type"), "entity_id", "name", OWN_LENGTH)
    frame = with_name(frame, names, pl.col("parent_type"), "parent_id", "parent_name", OTHER_LENGTH)
    frame = with_name(frame, names, ad, "rival_id", "rival_name", OTHER_LENGTH)
    frame = with_name(frame, names, adset, "overlap_with", "overlap_name", OTHER_LENGTH)
    return with_name(frame, names, pl.col("above_type"), "above_id", "above_name", OTHER_LENGTH)
