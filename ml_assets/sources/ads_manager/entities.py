"""The campaigns, adsets and ads that the rows of an export name, as its newest row shows them."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import ENTITIES, fill_missing
from ml_assets.sources.ads_manager.leads import goals
from ml_assets.sources.ads_manager.words import (
    DELIVERY,
    LEARNING,
    LIFETIME,
    OBJECTIVES,
    plain_words,
    translated,
)


def entities_of(
    frame: pl.DataFrame, level: EntityType, counted: Sequence[str], synced_at: dt.datetime
) -> pl.DataFrame:
    """Entities (schema ENTITIES) of `level` and all levels above, one row each, sorted by level and id.

    `frame` holds typed rows with `action`; `counted` the actions that are leads. Where days disagree
    (a new name, a changed budget) the newest day with a value counts.
    """
    rows = frame.sort("date", "line")
    return pl.concat(
        [
            _of_level(rows, upper, level, counted).with_columns(pl.lit(synced_at).alias("synced_at"))
            for upper in level.path
        ],
        how="diagonal_relaxed",
    ).pipe(fill_missing, ENTITIES)


def _of_level(
    rows: pl.DataFrame, upper: EntityType, level: EntityType, counted: Sequence[str]
) -> pl.DataFrame:
    key = f"{upper}_id"
    sources = _sources(rows.columns, upper, level)
    parents = [f"{above}_id" for above in upper.path[:-1]]
    latest = (
        rows.filter(pl.col(key).is_not_null())
        .group_by(key)
        .agg(
            *(pl.col(name).drop_nulls().last() for name in parents),
            *(pl.col(column).drop_nulls().last().alias(f"__{name}") for name, column in sources.items()),
        )
        .sort(key)
    )
    has = {name: f"__{name}" for name in sources}
    made = [
        pl.lit(upper.value).alias("entity_type"),
        pl.col(key).alias("entity_id"),
        (pl.col(parents[-1]) if parents else pl.lit(None, pl.String)).alias("parent_id"),
        pl.col("campaign_id").alias("campaign_id"),
        *(pl.col(has[name]).alias(name) for name in ("name", "attribution_setting") if name in has),
        *_budgets(has),
    ]
    if "delivery" in has:
        made.append(translated(pl.col(has["delivery"]), DELIVERY).alias("effective_status"))
        if upper == EntityType.ADSET:
            made.append(_learning(pl.col(has["delivery"])))
    entities = latest.select(made)
    if "objective" in has:
        entities = entities.with_columns(
            latest.select(translated(pl.col(has["objective"]), OBJECTIVES))[has["objective"]].alias(
                "objective"
            )
        )
    return _with_goals(entities, rows, upper, counted)


def _sources(columns: Sequence[str], upper: EntityType, level: EntityType) -> dict[str, str]:
    """Field of an entity -> column of the rows that holds it."""
    sources = {"name": f"{upper}_name"}
    if f"{upper}_delivery" in columns:
        sources["delivery"] = f"{upper}_delivery"
    elif upper == level and "delivery" in columns:
        sources["delivery"] = "delivery"
    if upper == EntityType.ADSET and "attribution_setting" in columns:
        sources["attribution_setting"] = "attribution_setting"
    if upper == EntityType.CAMPAIGN and "objective" in columns:
        sources["objective"] = "objective"
    if upper == EntityType.AD:
        return sources
    candidates = [f"{upper}_budget"]
    if upper == level or (upper == EntityType.ADSET and level == EntityType.AD):
        candidates.append("budget")
    if upper == EntityType.CAMPAIGN == level:
        # In the Campaigns tab "Ad set budget" shows the campaign's own budget, where it has one.
        candidates.append("adset_budget")
    budget = next((name for name in candidates if name in columns), None)
    if budget is not None:
        sources["budget"] = budget
        kind = next((name for name in (f"{budget}_type", "budget_type") if name in columns), None)
        if kind is not None:
            sources["budget_type"] = kind
    return sources


def _budgets(has: dict[str, str]) -> list[pl.Expr]:
    """daily_budget and lifetime_budget; a budget of 0 belongs to another level."""
    if "budget" not in has:
        return []
    amount = pl.when(pl.col(has["budget"]) > 0).then(pl.col(has["budget"]))
    if "budget_type" not in has:
        return [amount.alias("daily_budget")]
    is_lifetime = plain_words(pl.col(has["budget_type"])).is_in(LIFETIME).fill_null(value=False)
    return [
        pl.when(~is_lifetime).then(amount).alias("daily_budget"),
        pl.when(is_lifetime).then(amount).alias("lifetime_budget"),
    ]


def _learning(delivery: pl.Expr) -> pl.Expr:
    of_word = {word: state for state, words in LEARNING.items() for word in words}
    return (
        plain_words(delivery)
        .replace_strict(of_word, default="UNKNOWN", return_dtype=pl.String)
        .alias("learning_status")
    )


def _with_goals(
    entities: pl.DataFrame, rows: pl.DataFrame, upper: EntityType, counted: Sequence[str]
) -> pl.DataFrame:
    """Adds the optimization goal of an adset, or the objective of a campaign, from its indicators."""
    if upper not in LEVELS[:2] or "action" not in rows.columns:
        return entities
    wanted = "objective" if upper == EntityType.CAMPAIGN else "optimization_goal"
    found = goals(rows, f"{upper}_id", counted).select(
        pl.col(f"{upper}_id").alias("entity_id"), pl.col(wanted).alias("__goal")
    )
    joined = entities.join(found, on="entity_id", how="left", maintain_order="left")
    told = [pl.col(wanted)] if wanted in entities.columns else []
    return joined.with_columns(pl.coalesce(*told, "__goal").alias(wanted)).drop("__goal")
