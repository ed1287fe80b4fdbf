"""Reading what assets compute from: entity metrics that are never stale, inputs of features and decisions."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from ml_assets.defs.scope import Scope
from ml_assets.entities import LEVELS, EntityType
from ml_assets.entity_metrics import conform_insights, newest_readings
from ml_assets.features import FeatureInputs
from ml_assets.frames import ENTITY_METRICS, conform
from ml_assets.recommendations.inputs import LOOKBACK_DAYS as DECISION_LOOKBACK_DAYS
from ml_assets.recommendations.inputs import DecisionInputs
from ml_assets.sources.checks import check_insights, check_parents
from ml_assets.storage.development import read_lead_development, read_lead_revisions
from ml_assets.storage.reads import (
    insight_days,
    read_entities,
    read_entity_metrics,
    read_entity_versions,
    read_insight_versions,
    read_insights,
)
from ml_assets.storage.recommendations import read_suspensions, read_user_actions

if TYPE_CHECKING:
    from sqlalchemy import Connection


_DAY = ["config_id", "date"]
_LEVEL_DAY = ["config_id", "entity_type", "date"]


@dataclass(frozen=True)
class CurrentMetrics:
    """Entity metrics as of now, and for how many account days they had to be made from insights."""

    frame: pl.DataFrame
    days_conformed: int


@dataclass(frozen=True)
class ConformedDays:
    """Entity metrics made from insights, and the rows that cannot be right (`REJECTED_ROWS`)."""

    frame: pl.DataFrame
    rejected: pl.DataFrame


def conform_days(
    connection: "Connection",
    start: dt.date,
    end: dt.date,
    config_ids: Sequence[int],
    entities: pl.DataFrame,
) -> ConformedDays:
    """Entity metrics of all levels for the days [start, end] from the current insights (`ENTITY_METRICS`).

    `entities` (schema `ENTITIES`) are all of the accounts. Insights that a loader wrote past our own checks
    are checked here: a row that cannot be right, or whose place in the tree is unknown, is left out.
    `known_at` is the newest reading that went into a level's figures of the day, its children's included:
    a stored day is stale exactly when insights hold a newer one.
    """
    return conform_read(connection, read_insights(connection, start, end, LEVELS, config_ids), entities)


def conform_read(connection: "Connection", insights: pl.DataFrame, entities: pl.DataFrame) -> ConformedDays:
    """`conform_days` of rows that were read already (`INSIGHTS`, one version each).

    Where a row cannot be right, the version before it counts.
    """
    now = dt.datetime.now(dt.UTC)
    placed = check_parents(entities, source="ads_insights", rejected_at=now).kept
    known = pl.concat(
        [
            placed.select("entity_type", "entity_id"),
            insights.filter(pl.col("entity_type") == EntityType.CAMPAIGN.value).select(
                "entity_type", "entity_id"
            ),
        ]
    )
    checked = check_insights(insights, source="ads_insights", now=now, entities=known)
    kept = pl.concat([checked.kept, _older_versions(connection, insights, checked.kept, known, now)])
    newest = newest_readings(insights.filter(pl.col("window_days") == 1))
    metrics = conform_insights(kept, placed).drop("known_at").join(newest, on=_LEVEL_DAY, how="left")
    return ConformedDays(conform(metrics, ENTITY_METRICS, "entity metrics"), checked.rejected)


def _older_versions(
    connection: "Connection",
    newest: pl.DataFrame,
    kept: pl.DataFrame,
    known: pl.DataFrame,
    now: dt.datetime,
) -> pl.DataFrame:
    """The newest version that can be right before those of `newest` that cannot (`INSIGHTS`)."""
    key = ["config_id", "entity_type", "entity_id", "date", "window_days"]
    wrong = newest.join(kept, on=key, how="anti").join(known, on=["entity_type", "entity_id"], how="semi")
    days = wrong["date"].drop_nulls()
    if days.is_empty():
        return kept.clear()
    versions = (
        pl.concat(
            read_insight_versions(connection, day, day, LEVELS, wrong["config_id"].unique().to_list())
            for day in days.unique().sort()
        )
        .join(wrong.select(*key, before="known_at"), on=key)
        .filter(pl.col("known_at") < pl.col("before"))
        .drop("before")
    )
    usable = check_insights(versions, source="ads_insights", now=now).kept
    return usable.sort(*key, "known_at").unique(key, keep="last", maintain_order=True)


def entity_metrics_for(
    connection: "Connection",
    start: dt.date,
    end: dt.date,
    entity_types: Sequence[EntityType],
    config_ids: Sequence[int],
    entities: pl.DataFrame,
) -> CurrentMetrics:
    """Entity metrics of the levels for the days [start, end], never older than the insights.

    What is stored is taken where it is as new as the newest insights of the day; every other day of an
    account is conformed from its insights, by the function that the asset stores. Whatever was backfilled
    before, and in whatever order, the rows are the same.
    """
    stored = read_entity_metrics(connection, start, end, entity_types, config_ids)
    newest = newest_readings(insight_days(connection, start, end, config_ids)).filter(
        pl.col("entity_type").is_in([level.value for level in entity_types])
    )
    have = stored.group_by(_LEVEL_DAY).agg(stored_at=pl.col("known_at").max())
    stale = (
        newest.join(have, on=_LEVEL_DAY, how="left")
        .filter(pl.col("stored_at").is_null() | (pl.col("stored_at") < pl.col("known_at")))
        .select(_DAY)
        .unique()
    )
    if stale.is_empty():
        return CurrentMetrics(stored, 0)
    conformed = conform_days(
        connection,
        stale.select(pl.col("date").min()).item(),
        stale.select(pl.col("date").max()).item(),
        stale["config_id"].unique().to_list(),
        entities,
    ).frame.filter(pl.col("entity_type").is_in([level.value for level in entity_types]))
    frame = pl.concat(
        [
            stored.select(ENTITY_METRICS.keys()).join(stale, on=_DAY, how="anti"),
            conformed.join(stale, on=_DAY, how="semi"),
        ]
    )
    return CurrentMetrics(frame, stale.height)


def read_feature_inputs(
    connection: "Connection",
    scope: Scope,
    lookback_days: int,
    levels: Sequence[EntityType] | None = None,
) -> tuple["FeatureInputs", int]:
    """What the dates of a run are computed from, and how many account days were conformed on the way.

    Metrics are those of `levels` (None: those of the run and all above). All entities of the accounts are
    read even for a run that is restricted to some: an estimate rests on the siblings and the levels above.
    """
    start = scope.keys.start - dt.timedelta(days=lookback_days)
    end = scope.keys.end
    entities = read_entities(connection, LEVELS, scope.config_ids)
    levels = scope.keys.levels_above if levels is None else levels
    current = entity_metrics_for(connection, start, end, levels, scope.config_ids, entities)
    inputs = FeatureInputs(
        accounts=scope.accounts.drop("last_finished_date", strict=False),
        entities=entities,
        versions=read_entity_versions(connection, scope.config_ids),
        metrics=current.frame,
        development=read_lead_development(connection, start, end, scope.config_ids),
    )
    return inputs, current.days_conformed


def read_decision_inputs(connection: "Connection", scope: Scope) -> tuple[DecisionInputs, int]:
    """What the dates of a run are decided from, and how many account days were conformed on the way.

    What people did and what was suspended is read for all the dates that are replayed.
    """
    figures, days_conformed = read_feature_inputs(connection, scope, DECISION_LOOKBACK_DAYS)
    since = scope.keys.start - dt.timedelta(days=DECISION_LOOKBACK_DAYS)
    inputs = DecisionInputs(
        figures=figures,
        actions=read_user_actions(connection, scope.config_ids, since),
        suspensions=read_suspensions(connection, since, scope.keys.end, scope.config_ids),
        revisions=read_lead_revisions(connection, since, scope.keys.end, scope.config_ids, figures.entities),
    )
    return inputs, days_conformed
