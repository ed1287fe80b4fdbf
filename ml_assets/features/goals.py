"""Whether leads are the goal of an entity, from what Meta was told to optimise for.

An account's `conversion_actions` widen what counts: where conversations or registrations are leads, the
goals that bring them seek leads. An unknown objective or goal counts as seeking leads, since an account
without any would not be judged by its CPL at all.
"""

import polars as pl

OTHER_OBJECTIVES = (
    "OUTCOME_AWARENESS", "OUTCOME_TRAFFIC", "OUTCOME_APP_PROMOTION", "BRAND_AWARENESS", "REACH",
    "LINK_CLICKS", "POST_ENGAGEMENT", "PAGE_LIKES", "VIDEO_VIEWS", "STORE_VISITS", "LOCAL_AWARENESS",
    "PRODUCT_CATALOG_SALES", "APP_INSTALLS", "EVENT_RESPONSES",
)  # fmt: skip
"""Objectives that never bring leads."""

CONVERSATION_OBJECTIVES = ("MESSAGES", "OUTCOME_ENGAGEMENT")
"""Objectives that bring leads only where conversations are leads."""

CONVERSION_OBJECTIVES = ("OUTCOME_SALES",)
"""Objectives that bring leads only where a conversion other than Meta's own lead is one."""

OTHER_GOALS = (
    "REACH", "IMPRESSIONS", "LINK_CLICKS", "LANDING_PAGE_VIEWS", "POST_ENGAGEMENT", "PAGE_LIKES",
    "THRUPLAY", "VIDEO_VIEWS", "TWO_SECOND_CONTINUOUS_VIDEO_VIEWS", "APP_INSTALLS", "VALUE",
    "AD_RECALL_LIFT", "EVENT_RESPONSES", "VISIT_INSTAGRAM_PROFILE", "PROFILE_VISIT", "ENGAGED_USERS",
    "REMINDERS_SET", "DERIVED_EVENTS", "IN_APP_VALUE", "PROFILE_AND_PAGE_ENGAGEMENT",
)  # fmt: skip
LEAD_GOALS = ("LEAD_GENERATION", "QUALITY_LEAD", "QUALITY_CALL")
CONVERSATION_GOALS = ("CONVERSATIONS", "REPLIES", "MESSAGING_PURCHASE_CONVERSION")


def entity_goals(entities: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """config_id, entity_type, entity_id, seeks_leads (never null) for every row of `entities`.

    An adset's optimisation goal decides for itself and its ads, and the campaign's objective where the goal
    does not say. A campaign seeks leads by its objective, unless all its adsets are known not to.
    """
    actions = pl.col("conversion_actions").list.join(",").fill_null("").str.to_lowercase()
    account = accounts.select(
        "config_id",
        conversations=actions.str.contains("messag"),
        conversions=actions.str.contains(
            "offsite_conversion|complete_registration|submit_application|contact"
        ),
    )
    key = ["config_id", "entity_id"]
    level = pl.col("entity_type")
    rows = entities.join(account, on="config_id", how="left")
    objective = pl.col("objective").str.to_uppercase()
    by_objective = (
        pl.when(objective.is_in(OTHER_OBJECTIVES))
        .then(pl.lit(value=False))
        .when(objective.is_in(CONVERSATION_OBJECTIVES))
        .then("conversations")
        .when(objective.is_in(CONVERSION_OBJECTIVES))
        .then("conversions")
        .when(objective.is_not_null())
        .then(pl.lit(value=True))
    )
    goal = pl.col("optimization_goal").str.to_uppercase()
    by_goal = (
        pl.when(goal.is_in(OTHER_GOALS))
        .then(pl.lit(value=False))
        .when(goal.is_in(LEAD_GOALS))
        .then(pl.lit(value=True))
        .when(goal.is_in(CONVERSATION_GOALS))
        .then("conversations")
    )
    campaigns = rows.filter(level == "campaign").select(
        *key, "entity_type", "campaign_id", objective_says=by_objective
    )
    adsets = (
        rows.filter(level == "adset")
        .select(*key, "entity_type", "campaign_id", goal_says=by_goal)
        .join(
            campaigns.select("config_id", "campaign_id", "objective_says"),
            on=["config_id", "campaign_id"],
            how="left",
        )
        .with_columns(seeks_leads=pl.coalesce("goal_says", "objective_says", pl.lit(value=True)))
    )
    by_adsets = adsets.group_by("config_id", "campaign_id").agg(
        none_seeks=(~pl.col("goal_says")).all() & pl.col("goal_says").is_not_null().all()
    )
    campaigns = campaigns.join(by_adsets, on=["config_id", "campaign_id"], how="left").with_columns(
        seeks_leads=pl.col("objective_says").fill_null(value=True)
        & ~pl.col("none_seeks").fill_null(value=False)
    )
    ads = (
        rows.filter(level == "ad")
        .select(*key, "entity_type", "parent_id")
        .join(
            adsets.select("config_id", pl.col("entity_id").alias("parent_id"), "seeks_leads"),
            on=["config_id", "parent_id"],
            how="left",
        )
        .with_columns(pl.col("seeks_leads").fill_null(value=True))
    )
    columns = ["config_id", "entity_type", "entity_id", "seeks_leads"]
    return pl.concat([campaigns.select(columns), adsets.select(columns), ads.select(columns)])
