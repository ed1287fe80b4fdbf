"""What a report says: stored results of one account and date, selected and sorted, as frames.

Reads go through `ml_assets.storage.reads`; how the frames are drawn is in `ml_assets.report.tables`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import NotReadyError, UsageError
from ml_assets.report.forecasts import CurrentForecasts, read_account_forecasts
from ml_assets.report.incidents import OpenIncidents, read_account_incidents
from ml_assets.report.plan import Plan, read_plan
from ml_assets.storage.overview import read_reach, read_rejected
from ml_assets.storage.reads import read_entities, read_entity_metrics, read_table
from ml_assets.storage.tables import MLClassification, MLFeatures

FATIGUE_SHOWN = ("FATIGUED", "LIMITED")
OVERLAP_SHOWN = 0.5
"""Audience overlap from which a pair of adsets is listed."""

RESIDUAL_DAYS = 7


@dataclass(frozen=True)
class AccountReport:
    """The results of one account on one date.

    `judged` has a row per entity of the asked levels: classification and features side by side, with
    `name`, `parent_name`. `plan` is what to do, `incidents` what is open, `forecasts` what comes.
    `residuals` compares levels over the last `RESIDUAL_DAYS` days.
    """

    account: dict[str, Any]
    date: dt.date
    levels: tuple[EntityType, ...]
    judged: pl.DataFrame
    plan: Plan
    incidents: OpenIncidents
    forecasts: CurrentForecasts
    residuals: pl.DataFrame
    rejected_rows: int

    @property
    def as_of(self) -> dt.datetime | None:
        """Newest version among the figures the features were made of."""
        newest = self.judged.get_column("generated_at").max()
        return newest if isinstance(newest, dt.datetime) else None

    def missing_levels(self) -> tuple[EntityType, ...]:
        """Asked levels without any result on the date."""
        there = set(self.judged.get_column("entity_type").unique())
        return tuple(level for level in self.levels if level.value not in there)

    def tiers(self) -> pl.DataFrame:
        """entity_type, tier, entities, spend_14d, up, down: one row per level and tier."""
        return self.judged.group_by("entity_type", "tier").agg(
            pl.len().alias("entities"),
            pl.col("spend_14d").sum(),
            (pl.col("tier_change_direction") == "up").sum().alias("up"),
            (pl.col("tier_change_direction") == "down").sum().alias("down"),
        )

    def surest(self, tier: str, top: int) -> pl.DataFrame:
        """The `top` entities per level whose tier is `tier` with the highest probability."""
        return (
            self.judged.filter(pl.col("tier") == tier)
            .sort(
                "level_order", "confidence_score", "spend_14d", "entity_id",
                descending=[False, True, True, False],
            )
            .group_by("entity_type", maintain_order=True)
            .head(top)
        )  # fmt: skip

    def fatigued(self, top: int) -> pl.DataFrame:
        """Ads whose creative tires, most certain first."""
        return (
            self.judged.filter(pl.col("fatigue_verdict").is_in(FATIGUE_SHOWN))
            .sort("creative_fatigue_score", "spend_7d", "entity_id", descending=[True, True, False])
            .head(top)
        )

    def overlapping(self, top: int) -> pl.DataFrame:
        """Pairs of adsets that bid for the same people, each pair once, with `overlap_name`."""
        names = self.judged.select(
            overlap_with=pl.col("entity_id"),
            overlap_type=pl.col("entity_type"),
            overlap_name=pl.col("name"),
            overlap_spend_14d=pl.col("spend_14d"),
        )
        return (
            self.judged.filter(pl.col("audience_overlap_score") >= OVERLAP_SHOWN)
            .join(
                names,
                left_on=["overlap_with", "entity_type"],
                right_on=["overlap_with", "overlap_type"],
                how="left",
            )
            .with_columns(pair=pl.concat_list("entity_id", "overlap_with").list.sort().list.join("|"))
            .sort("audience_overlap_score", "entity_id", descending=[True, False])
            .unique("pair", keep="first", maintain_order=True)
            .head(top)
        )

    def undecided(self, top: int) -> pl.DataFrame:
        """Entities without enough data, highest spend first within a level."""
        return (
            self.judged.filter(pl.col("tier") == "INSUFFICIENT_DATA", pl.col("spend_14d") > 0)
            .sort("level_order", "spend_14d", "entity_id", descending=[False, True, False])
            .group_by("entity_type", maintain_order=True)
            .head(top)
        )

    def nearest_to_a_tier(self) -> dict[str, Any] | None:
        """The entity that needs the least further spend until a tier can be named; None: there is none."""
        nearest = (
            self.undecided(self.judged.height)
            .with_columns(
                needed=pl.col("needs").str.json_path_match("$.spend").cast(pl.Float64, strict=False)
            )
            .filter(pl.col("needed") > 0)
            .sort("needed", "entity_id")
            .head(1)
        )
        return nearest.row(0, named=True) if nearest.height else None


def read_report(
    connection: sa.Connection,
    account: dict[str, Any],
    date: dt.date | None = None,
    levels: Sequence[EntityType] = LEVELS,
) -> AccountReport:
    """The report of `account` (a row of ACCOUNTS) on `date`, by default the newest judged one.

    Raises NotReadyError where the account has no classification yet, and UsageError, naming the dates
    there are, where it has none on the asked date.
    """
    config_ids = [int(account["config_id"])]
    reach = read_reach(connection, MLClassification, config_ids).filter(
        pl.col("entity_type").is_in([level.value for level in levels])
    )
    first, newest = reach.get_column("first_date").min(), reach.get_column("last_date").max()
    if not isinstance(first, dt.date) or not isinstance(newest, dt.date):
        raise NotReadyError(
            f"Nothing of {account['name']} has been judged yet; run "
            "`ml-assets run --from DATE --to DATE` for the days its data covers."
        )
    day = date or newest
    tiers = read_table(connection, MLClassification, day, day, levels, config_ids)
    if tiers.is_empty():
        is_past = day < dt.datetime.now(dt.UTC).date()
        makes_them = f" `ml-assets run --from {day} --to {day}` makes them." if is_past else ""
        raise UsageError(
            f"{account['name']} has no classifications for {day}; there are some from {first} to {newest}."
            f"{makes_them}"
        )
    features = read_table(connection, MLFeatures, day, day, levels, config_ids)
    names = read_entities(connection, LEVELS, config_ids).select(
        "entity_type", "entity_id", pl.col("name").fill_null(pl.col("entity_id"))
    )
    since = day - dt.timedelta(days=RESIDUAL_DAYS - 1)
    metrics = read_entity_metrics(connection, since, day, LEVELS, config_ids)
    return AccountReport(
        account=account,
        date=day,
        levels=tuple(levels),
        judged=_side_by_side(tiers, features, names),
        plan=read_plan(connection, config_ids[0], day, levels),
        incidents=read_account_incidents(connection, config_ids[0], day, levels),
        forecasts=read_account_forecasts(connection, config_ids[0], day, levels),
        residuals=_residuals(metrics),
        rejected_rows=int(read_rejected(connection, config_ids).get_column("rows").sum()),
    )


def _side_by_side(tiers: pl.DataFrame, features: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """Classification, features and names of every entity, one row each."""
    key = ["entity_type", "entity_id"]
    own = [column for column in features.columns if column in key or column not in tiers.columns]
    order = {level.value: index for index, level in enumerate(LEVELS)}
    parent_types = {level.value: level.parent.value if level.parent else None for level in LEVELS}
    parents = names.rename({"entity_type": "parent_type", "entity_id": "parent_id", "name": "parent_name"})
    return (
        tiers.join(features.select(own), on=key, how="left")
        .join(names, on=key, how="left")
        .with_columns(
            level_order=pl.col("entity_type").replace_strict(order, return_dtype=pl.Int64),
            parent_type=pl.col("entity_type").replace_strict(parent_types, return_dtype=pl.String),
            name=pl.col("name").fill_null(pl.col("entity_id")),
        )
        .join(parents, on=["parent_type", "parent_id"], how="left")
    )


def _residuals(metrics: pl.DataFrame) -> pl.DataFrame:
    """entity_type, spend, residual_spend: what the children of a level leave unexplained."""
    return (
        metrics.filter(pl.col("residual_spend").is_not_null())
        .group_by("entity_type")
        .agg(pl.col("spend").sum(), pl.col("residual_spend").sum())
        .sort("entity_type")
    )
