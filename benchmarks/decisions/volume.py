"""How much advice there is, and whether the plan of a day contradicts itself. Frames as in `rates`."""

import polars as pl

from benchmarks.decisions.rates import CHEAP, ENTITY, TOO_DEAR, Rate, issued

MOST_A_DAY = 10

DAY = ("account", "recommendation_date")


def per_day(advice: pl.DataFrame, account_days: int) -> pl.DataFrame:
    """entity_type, recommendation_type, rows and per_day: issued per account and day."""
    return (
        issued(advice)
        .group_by("entity_type", "recommendation_type")
        .agg(rows=pl.len())
        .with_columns(per_day=pl.col("rows") / account_days)
        .sort("entity_type", "recommendation_type")
    )


def quiet_days(advice: pl.DataFrame, account_days: int) -> Rate:
    """Account days on which nothing is issued."""
    busy = issued(advice).select(DAY).n_unique()
    return Rate(account_days - busy, account_days)


def contradictions(advice: pl.DataFrame, panel: pl.DataFrame) -> dict[str, int]:
    """How often the issued of a day break the rules of a plan; all zero when the plan is coherent.

    Days with more than ten issued; entities with two issued on a date; entities that are given more money
    (SCALE_UP, BUDGET_INCREASE, AUDIENCE_EXPANSION, CREATIVE_WINNER) while a level above is issued PAUSE or
    BUDGET_DECREASE; entities issued PAUSE while a level above is issued PAUSE.
    """
    given = issued(advice)
    places = panel.select(*ENTITY, "parent_id").unique()
    own = given.select(*ENTITY, "recommendation_date", "recommendation_type", "campaign_id")
    ads = places.filter(pl.col("entity_type") == "ad")
    adsets = ads.select(*ENTITY, pl.col("parent_id").alias("adset_id"))
    placed = own.join(adsets, on=ENTITY, how="left")
    above = pl.concat(
        [
            placed.filter(pl.col("entity_type") != "campaign").with_columns(
                above_type=pl.lit("campaign"), above_id=pl.col("campaign_id")
            ),
            placed.filter(pl.col("entity_type") == "ad").with_columns(
                above_type=pl.lit("adset"), above_id=pl.col("adset_id")
            ),
        ]
    ).join(
        given.select(
            "account",
            "recommendation_date",
            above_type="entity_type",
            above_id="entity_id",
            above_action="recommendation_type",
        ),
        on=["account", "recommendation_date", "above_type", "above_id"],
    )
    more = pl.col("recommendation_type").is_in([*CHEAP, "AUDIENCE_EXPANSION", "CREATIVE_WINNER"])
    paused_twice = (pl.col("recommendation_type") == "PAUSE") & (pl.col("above_action") == "PAUSE")
    return {
        "days with more than 10 issued": given.group_by(DAY).len().filter(pl.col("len") > MOST_A_DAY).height,
        "entities with two issued on a date": given.group_by(*ENTITY, "recommendation_date")
        .len()
        .filter(pl.col("len") > 1)
        .height,
        "more money under a cut or a pause": above.filter(
            more & pl.col("above_action").is_in(list(TOO_DEAR))
        ).height,
        "a pause under a pause": above.filter(paused_twice).height,
    }
