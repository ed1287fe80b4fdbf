"""What is advised on dates of a level, in words: decisions per policy, described. Nothing is decided here."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.errors import NotReadyError
from ml_assets.features.inputs import FeatureInputs
from ml_assets.frames import empty
from ml_assets.recommendations.decide import decide
from ml_assets.recommendations.frames import RECOMMENDATIONS
from ml_assets.recommendations.inputs import DecisionInputs
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.words import describe

WEEK = 7


def recommend(
    inputs: DecisionInputs,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    classifications: pl.DataFrame,
    policies: Mapping[int, Policy],
    language: str,
) -> pl.DataFrame:
    """What to do with the entities of a level on `dates`, as RECOMMENDATIONS, issued and blocked.

    `inputs` reaches `LOOKBACK_DAYS` before the first date. `classifications` (CLASSIFICATIONS) are those of
    this level and all above on the dates. `policies` maps accounts to their thresholds; the defaults hold for
    one that is not in it. Sorted by account, entity, date and type. Raises NotReadyError where an account has
    figures of a level on a date but no classification, UsageError for a language there are no phrases in.
    """
    wanted = sorted(set(dates))
    _require_classifications(inputs.figures, entity_type, wanted, classifications)
    spend = weekly_spend(inputs.figures, wanted)
    figures = inputs.figures
    made = [empty(RECOMMENDATIONS)]
    for policy, config_ids in _accounts_by_policy(figures.accounts, policies).items():
        decisions = decide(_of_accounts(inputs, config_ids), entity_type, wanted, policy)
        made.append(
            describe(decisions, figures.entities, figures.accounts, classifications, spend, policy, language)
        )
    return pl.concat(made).sort("config_id", "entity_id", "recommendation_date", "recommendation_type")


def weekly_spend(figures: FeatureInputs, dates: Sequence[dt.date]) -> pl.DataFrame:
    """`config_id, date, spend`: what each account spent in the 7 days up to each date, over its campaigns."""
    days = pl.DataFrame({"date": list(dates)}, schema={"date": pl.Date()}).with_columns(
        day=pl.date_ranges(pl.col("date") - pl.duration(days=WEEK - 1), pl.col("date"))
    )
    return (
        figures.metrics.filter(pl.col("entity_type") == EntityType.CAMPAIGN.value)
        .select("config_id", pl.col("date").alias("day"), "spend")
        .join(days.explode("day"), on="day")
        .group_by("config_id", "date")
        .agg(pl.col("spend").sum())
    )


def _require_classifications(
    figures: FeatureInputs, entity_type: EntityType, dates: Sequence[dt.date], classifications: pl.DataFrame
) -> None:
    """Raise where a level was delivered on a date but not classified: decisions would lack tiers."""
    levels = [level.value for level in entity_type.path]
    key = ["entity_type", "config_id", "date"]
    judged = classifications.select("entity_type", "config_id", date="classification_date").unique()
    missing = (
        figures.metrics.filter(
            pl.col("entity_type").is_in(levels), pl.col("date").is_in(dates), pl.col("impressions") > 0
        )
        .select(key)
        .unique()
        .join(judged, on=key, how="anti")
        .sort("date", "entity_type", "config_id")
    )
    if missing.height:
        level, config_id, date = missing.row(0)
        others = missing.height - 1
        raise NotReadyError(
            f"The classifications of {level}s of account {config_id} for {date}"
            f"{f' and {others} more accounts and dates' if others else ''} are not there: materialize"
            f" `classifications` for the same partitions first"
        )


def _accounts_by_policy(accounts: pl.DataFrame, policies: Mapping[int, Policy]) -> dict[Policy, list[int]]:
    """Accounts that are judged by the same thresholds are decided in one pass."""
    groups: dict[Policy, list[int]] = {}
    default = Policy()
    for config_id in accounts["config_id"].sort():
        groups.setdefault(policies.get(config_id, default), []).append(config_id)
    return groups


def _of_accounts(inputs: DecisionInputs, config_ids: Sequence[int]) -> DecisionInputs:
    """The inputs of some of the accounts."""
    figures = inputs.figures
    if len(config_ids) == figures.accounts.height:
        return inputs

    def own(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.filter(pl.col("config_id").is_in(config_ids))

    return DecisionInputs(
        figures=replace(
            figures,
            accounts=own(figures.accounts),
            entities=own(figures.entities),
            versions=own(figures.versions),
            metrics=own(figures.metrics),
            development=own(figures.development),
        ),
        actions=own(inputs.actions),
        suspensions=own(inputs.suspensions),
    )
