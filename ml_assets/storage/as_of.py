"""What was known of accounts on past mornings: everything is read once, then cut in memory, date by date.

No figure is conformed or judged here, and nothing is written.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_state import WATCHED, decode_fields
from ml_assets.frames import ENTITIES, INSIGHTS, KEY, UTC, conform, fill_missing
from ml_assets.local_days import day_end, zones_of
from ml_assets.storage.development import CUTOFF, lead_development, lead_revisions
from ml_assets.storage.reads import (
    read_accounts,
    read_entities,
    read_entity_versions,
    read_insight_versions,
)

ROW_KEY = (*KEY, "date", "window_days")

STATES = (
    "status",
    "effective_status",
    "daily_budget",
    "lifetime_budget",
    "learning_status",
    "last_significant_edit_at",
)
"""Watched fields that move with every edit: on a past date only a version from before tells them."""

_ENTITY = tuple(KEY)
_FIGURES = tuple(name for name in INSIGHTS if name != "actions")


@dataclass(frozen=True)
class Known:
    """What was known at one moment, in the schemas of `ml_assets.frames`.

    `insights` holds the newest version of each row, `development` how leads had grown by then, `revisions`
    what had come in late.
    """

    entities: pl.DataFrame
    versions: pl.DataFrame
    insights: pl.DataFrame
    development: pl.DataFrame
    revisions: pl.DataFrame


@dataclass(frozen=True)
class History:
    """All that was ever known of some accounts: ACCOUNTS, ENTITIES, ENTITY_VERSIONS, INSIGHTS of all time.

    Settings of accounts, names and target CPLs have no history and are as they are now. So are entities of
    which no version was ever kept.
    """

    accounts: pl.DataFrame
    entities: pl.DataFrame
    versions: pl.DataFrame
    insights: pl.DataFrame

    def followed(self) -> "History":
        """The same with `superseded_at` beside each insight version; makes many cuts cheap."""
        ordered = self.insights.sort(*ROW_KEY, "known_at").with_columns(
            superseded_at=pl.col("known_at").shift(-1).over(ROW_KEY)
        )
        return replace(self, insights=ordered)

    def at(self, date: dt.date, *, current_figures: bool = False) -> Known:
        """What was known of the days up to `date` at `known_until` of it.

        `current_figures`: the newest version of every figure instead, whenever it was read; entities stay
        as they were then. Figures of later days are never among them.
        """
        history = self if "superseded_at" in self.insights.columns else self.followed()
        until = _moment_of(known_until(history.accounts, date))
        seen = history.insights.filter(pl.col("date") <= date)
        if not current_figures:
            seen = seen.filter(pl.col("known_at") <= until)
        superseded = pl.col("superseded_at")
        newest = seen.filter(
            superseded.is_null() if current_figures else superseded.is_null() | (superseded > until)
        )
        versions = history.versions.filter(pl.col("known_at") <= until)
        daily = seen.filter(pl.col("window_days") == 1)
        entities = _entities_then(history.entities, history.versions, versions, newest, until)
        return Known(
            entities=entities,
            versions=versions,
            insights=conform(newest, INSIGHTS),
            development=lead_development(_topmost(daily), history.accounts),
            revisions=lead_revisions(daily, history.accounts, entities),
        )


def read_history(
    connection: sa.Connection, start: dt.date, end: dt.date, config_ids: Sequence[int]
) -> History:
    """Everything known of the days [start, end] of the accounts, in a handful of queries."""
    insights = read_insight_versions(connection, start, end, LEVELS, config_ids, columns=_FIGURES)
    return History(
        accounts=read_accounts(connection, config_ids, active_only=False),
        entities=read_entities(connection, LEVELS, config_ids),
        versions=read_entity_versions(connection, config_ids),
        insights=fill_missing(insights, INSIGHTS),
    )


def known_until(accounts: pl.DataFrame, date: dt.date) -> pl.DataFrame:
    """config_id, known_until: `CUTOFF` after the end of `date` in each account's time zone (UTC moments)."""
    zone = pl.col("timezone").fill_null("UTC")
    return accounts.select(
        "config_id",
        known_until=(day_end(pl.lit(date), zone, zones_of(accounts)) + pl.lit(CUTOFF)).cast(UTC),
    )


def _moment_of(moments: pl.DataFrame) -> pl.Expr:
    """The moment of each row's account."""
    return pl.col("config_id").replace_strict(
        moments["config_id"], moments["known_until"], default=None, return_dtype=UTC
    )


def _topmost(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the topmost level that each account delivers; what `lead_development` looks at."""
    depth = pl.col("entity_type").replace_strict(
        [level.value for level in LEVELS], list(range(len(LEVELS))), return_dtype=pl.Int8
    )
    return rows.filter(depth == depth.min().over("config_id"))


def _entities_then(
    entities: pl.DataFrame,
    all_versions: pl.DataFrame,
    versions: pl.DataFrame,
    figures: pl.DataFrame,
    until: pl.Expr,
) -> pl.DataFrame:
    """The entities that were known then (ENTITIES), with their watched fields as of then.

    Known is what had a version or figures, what has children that had, and what never had a version and
    was not created later. `STATES` are those of the newest version and null before the first; the other
    watched fields are taken from the row where no version of then tells them.
    """
    newest = decode_fields(
        versions.sort("known_at").unique(_ENTITY, keep="last", maintain_order=True)
    ).with_columns(was_known=pl.lit(value=True))
    joined = (
        entities.join(newest.drop("known_at"), on=_ENTITY, how="left", suffix="_then")
        .join(
            all_versions.select(_ENTITY).unique().with_columns(has_versions=pl.lit(value=True)),
            on=_ENTITY,
            how="left",
        )
        .join(
            figures.select(_ENTITY).unique().with_columns(had_figures=pl.lit(value=True)),
            on=_ENTITY,
            how="left",
        )
        .with_columns(pl.col("was_known", "has_versions", "had_figures").fill_null(value=False))
    )
    never_told = ~pl.col("has_versions")
    as_of_then = joined.with_columns(
        pl.when(never_told).then(name).otherwise(f"{name}_then").alias(name)
        if name in STATES
        else pl.coalesce(f"{name}_then", name).alias(name)
        for name in WATCHED
    ).with_columns(
        is_known=pl.col("was_known")
        | pl.col("had_figures")
        | (never_told & (pl.col("created_time") <= until).fill_null(value=True))
    )
    return conform(_with_parents_of_known(as_of_then), ENTITIES)


def _with_parents_of_known(entities: pl.DataFrame) -> pl.DataFrame:
    """The rows that are known and all above them, from the top down, by account and id."""
    levels: list[pl.DataFrame] = []
    for level in reversed(LEVELS):
        own = entities.filter(pl.col("entity_type") == EntityType(level).value)
        if levels:
            parents = levels[-1].select("config_id", entity_id="parent_id").unique()
            own = own.join(
                parents.with_columns(is_parent=pl.lit(value=True)), on=["config_id", "entity_id"], how="left"
            ).with_columns(is_known=pl.col("is_known") | pl.col("is_parent").fill_null(value=False))
            own = own.drop("is_parent")
        levels.append(own.filter("is_known").sort("config_id", "entity_id"))
    return pl.concat(reversed(levels))
