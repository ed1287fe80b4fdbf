"""What every entity of some levels was on each date, with its place in the grid and who owns its budget."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_state import RECENT_DAYS, state_as_of
from ml_assets.features.grid import TreeGrid
from ml_assets.features.inputs import FeatureInputs


def entity_states(
    inputs: FeatureInputs, tree: TreeGrid, entity_type: EntityType, dates: Sequence[dt.date]
) -> pl.DataFrame:
    """State as of each date for all levels down to the adsets and `entity_type`, with row, column, parent.

    Fields that are not known of a date because it lies before an entity's first version are taken from the
    entity as it is: the nearest that is known. Rows of levels below `entity_type` have null `row`.
    """
    levels = [level.value for level in LEVELS if level in entity_type.path or level is EntityType.ADSET]
    entities = inputs.entities.filter(pl.col("entity_type").is_in(levels))
    first = min(dates) - dt.timedelta(days=RECENT_DAYS)
    delivered = inputs.metrics.filter(
        pl.col("entity_type").is_in(levels),
        pl.col("date").is_between(first, max(dates)),
        pl.col("impressions") > 0,
    )
    state = state_as_of(entities, inputs.versions, inputs.accounts, dates, delivered)
    known = ["daily_budget", "lifetime_budget", "targeting"]
    unversioned = pl.col("status").is_null() & pl.col("effective_status").is_null()
    key = ["config_id", "entity_type", "entity_id"]
    state = (
        state.join(
            entities.select(*key, "parent_id", *(pl.col(name).alias(f"latest_{name}") for name in known)),
            on=key,
            how="left",
        )
        .with_columns(
            pl.when(unversioned).then(pl.coalesce(name, f"latest_{name}")).otherwise(name).alias(name)
            for name in known
        )
        .with_columns(
            has_budget=pl.any_horizontal(pl.col("daily_budget", "lifetime_budget") > 0).fill_null(value=False)
        )
        .join(pl.DataFrame({"date": dates}).with_row_index("column").cast({"column": pl.Int64}), on="date")
    )
    rows = pl.concat(
        tree.levels[level].keys.select(
            "config_id",
            pl.lit(level.value).alias("entity_type"),
            "entity_id",
            row=pl.int_range(pl.len()),
            parent=pl.Series(tree.levels[level].parent.index),
        )
        for level in entity_type.path
    )
    return _with_budget_owner(state).join(rows, on=key, how="left")


def _with_budget_owner(state: pl.DataFrame) -> pl.DataFrame:
    """`state` with budget_owner: campaign where the campaign has a budget, else adset where one has."""
    day = ["config_id", "date"]
    budgeted = pl.col("has_budget")
    campaigns = state.filter(pl.col("entity_type") == "campaign").select(
        *day, pl.col("entity_id").alias("campaign"), campaign_has=budgeted
    )
    adsets = (
        state.filter(pl.col("entity_type") == "adset")
        .select(*day, "entity_id", pl.col("parent_id").alias("campaign"), adset_has=budgeted)
        .join(campaigns, on=[*day, "campaign"], how="left")
    )
    below = adsets.group_by(*day, "campaign").agg(pl.col("adset_has").any())
    owner = pl.when("campaign_has").then(pl.lit("campaign")).when("adset_has").then(pl.lit("adset"))
    owners = pl.concat(
        [
            campaigns.join(below, on=[*day, "campaign"], how="left").select(
                *day,
                pl.lit("campaign").alias("entity_type"),
                pl.col("campaign").alias("entity_id"),
                budget_owner=owner.otherwise(pl.lit("none")),
            ),
            adsets.select(
                *day,
                pl.lit("adset").alias("entity_type"),
                "entity_id",
                budget_owner=owner.otherwise(pl.lit("none")),
            ),
        ]
    )
    above_ads = owners.filter(pl.col("entity_type") == "adset").select(
        *day,
        pl.lit("ad").alias("entity_type"),
        pl.col("entity_id").alias("parent_id"),
        of_adset="budget_owner",
    )
    return (
        state.join(owners, on=[*day, "entity_type", "entity_id"], how="left")
        .join(above_ads, on=[*day, "entity_type", "parent_id"], how="left")
        .with_columns(budget_owner=pl.coalesce("budget_owner", "of_adset", pl.lit("none")))
        .drop("of_adset")
    )
