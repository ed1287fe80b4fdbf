"""Changes of entities that do what a recommendation advises, read from the entity versions."""

import polars as pl

from ml_assets.entity_state import decode_fields
from ml_assets.frames import KEY
from ml_assets.local_days import local_date, zones_of

LEAST_BUDGET_CHANGE = 0.01
"""Relative change of a budget that counts as one."""

_UP = ("SCALE_UP", "BUDGET_INCREASE")
_DOWN = ("BUDGET_DECREASE",)
_AUDIENCE = ("AUDIENCE_REVIEW", "AUDIENCE_EXPANSION", "AUDIENCE_NARROWING")
_ENTITY = list(KEY)


def changes_by_type(versions: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Every change with the recommendation types it does.

    `versions` in ENTITY_VERSIONS. Columns config_id, entity_type, entity_id, recommendation_type, date (of
    the account's calendar), at. A pause is one of the entity itself, not of a level above.
    """
    zones = accounts.select("config_id", pl.col("timezone").fill_null("UTC"))
    known = decode_fields(versions).sort(*_ENTITY, "known_at")
    before = {
        name: pl.col(name).shift(1).over(_ENTITY)
        for name in ("status", "daily_budget", "lifetime_budget", "targeting")
    }
    paused = pl.col("status").str.to_uppercase() == "PAUSED"
    moved = pl.coalesce(pl.col(name) / before[name] - 1.0 for name in ("daily_budget", "lifetime_budget"))
    flags = known.select(
        *_ENTITY,
        "known_at",
        paused=paused & (before["status"].str.to_uppercase() == "ACTIVE"),
        resumed=(pl.col("status").str.to_uppercase() == "ACTIVE")
        & (before["status"].str.to_uppercase() == "PAUSED"),
        raised=moved >= LEAST_BUDGET_CHANGE,
        lowered=moved <= -LEAST_BUDGET_CHANGE,
        retargeted=pl.col("targeting") != before["targeting"],
    )
    found = pl.concat(
        flags.filter(pl.col(flag)).select(*_ENTITY, "known_at").with_columns(recommendation_type=pl.lit(kind))
        for flag, kinds in (
            ("paused", ("PAUSE",)),
            ("resumed", ("REACTIVATE",)),
            ("raised", _UP),
            ("lowered", _DOWN),
            ("retargeted", _AUDIENCE),
        )
        for kind in kinds
    )
    return (
        found.join(zones, on="config_id", how="inner")
        .with_columns(date=local_date(pl.col("known_at"), pl.col("timezone"), zones_of(accounts)))
        .select(*_ENTITY, "recommendation_type", "date", at="known_at")
        .sort(*_ENTITY, "recommendation_type", "date", "at")
        .unique([*_ENTITY, "recommendation_type", "date"], keep="first", maintain_order=True)
    )
