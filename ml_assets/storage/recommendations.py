"""`ml_recommendations` written by runs and read. What is advised is decided elsewhere.

How the state of a case passes over its rows is in `ml_assets.storage.recommendation_cases`, what people do
with it in `ml_assets.storage.recommendation_actions`.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import KEY, conform
from ml_assets.local_days import local_date, zones_of
from ml_assets.recommendations.frames import RECOMMENDATIONS, SUSPENSIONS, USER_ACTIONS
from ml_assets.storage.bulk import fetch, has_ids, insert_frame, update_frame
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import row_ids, table_of
from ml_assets.storage.overview import read_reach
from ml_assets.storage.reads import Condition, as_utc, read_accounts, read_table
from ml_assets.storage.recommendation_cases import (
    CASE_ROWS,
    DETECTED,
    REACH_DAYS,
    carry_over,
    case_ids,
)
from ml_assets.storage.tables import MLAnomaly, MLRecommendation
from ml_assets.storage.writes import partition_conditions, require_inside

TABLE = table_of(MLRecommendation)

SUSPENDED_BY = {"TRACKING_BREAK": "tracking", "DATA_QUALITY": "data_quality"}
"""Type of an anomaly -> the guard that it raises while it is an alert."""

# -------------------------------------------------------------------------------------- by runs


def replace_recommendations(
    connection: sa.Connection,
    frame: pl.DataFrame,
    entity_type: EntityType,
    dates: Iterable[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None = None,
    *,
    only_active: bool = False,
    now: dt.datetime | None = None,
) -> int:
    """Make `frame` (RECOMMENDATIONS) the rows of these dates, level and accounts (and entities, where given).

    `id` and `case_id` are added, so a second run leaves identical rows. What people did stays: a row that was
    applied or dismissed keeps its state, or becomes superseded where it is not in `frame`; a new row of the
    same case takes it over. A row with status applied (a change that was detected) hands it to its case.
    `only_active`: rows that are applied, dismissed, expired or superseded are left as they are.
    Rows of these accounts that are over at `now` (default: the clock) are stored as expired.
    Returns the number of rows written. Raises UsageError for rows outside of what is replaced.
    """
    rows = conform(frame, RECOMMENDATIONS, "recommendations")
    days = sorted(set(dates))
    require_inside(rows, TABLE, entity_type, days, config_ids, entity_ids)
    if not days or not config_ids:
        return 0
    moment = as_utc(now or dt.datetime.now(dt.UTC))
    begin_writing(connection, TABLE.name)
    _expire(connection, config_ids, moment)
    produced = rows.with_columns(
        row_ids(rows, TABLE.name),
        pl.col("first_date").fill_null(pl.col("recommendation_date")),
    )
    produced = produced.with_columns(case_ids(produced))
    stored = _read_case_rows(connection, produced, entity_type, days, config_ids, entity_ids, only_active)
    accounts = read_accounts(connection, config_ids, active_only=False)
    carried = carry_over(produced, stored, accounts, moment, only_active=only_active)
    inside = partition_conditions(connection, TABLE, entity_type, days, config_ids, entity_ids)
    connection.execute(sa.delete(TABLE).where(*inside, ~has_ids(connection, TABLE.c.id, carried.kept_ids)))
    update_frame(connection, TABLE, carried.updates)
    return insert_frame(connection, TABLE, carried.rows.drop("first_date"))


def _read_case_rows(
    connection: sa.Connection,
    produced: pl.DataFrame,
    entity_type: EntityType,
    days: Sequence[dt.date],
    config_ids: Sequence[int],
    entity_ids: Sequence[str] | None,
    only_active: bool,
) -> pl.DataFrame:
    """The rows that `carry_over` asks for (CASE_ROWS and `is_inside`), in one query."""
    reach = dt.timedelta(days=REACH_DAYS)

    def is_near(table: sa.FromClause) -> list[Condition]:
        return [
            table.c.recommendation_date.between(days[0] - reach, days[-1] + reach),
            table.c.entity_type == EntityType(entity_type).value,
            table.c.config_id.in_(list(config_ids)),
        ]

    other = TABLE.alias("other")
    with_state = sa.select(other.c.entity_id).where(*is_near(other), _carries_state(other))
    detected = produced.filter(pl.col("status") == "applied")["entity_id"].unique().sort().to_list()
    wanted = TABLE.c.entity_id.in_(with_state) | has_ids(connection, TABLE.c.entity_id, detected)
    if only_active:
        wanted |= TABLE.c.recommendation_date.in_(days) & (TABLE.c.status != "active")
    where = [*is_near(TABLE), wanted]
    if entity_ids is not None:
        where.append(has_ids(connection, TABLE.c.entity_id, entity_ids))
    rows = fetch(connection, [TABLE.c[name] for name in CASE_ROWS], CASE_ROWS, where=where)
    return rows.with_columns(is_inside=pl.col("recommendation_date").is_in(days))


def _carries_state(table: sa.FromClause) -> Condition:
    return sa.or_(
        table.c.status.in_(["applied", "dismissed", "superseded"]),
        table.c.applied_at.is_not(None),
        table.c.dismissed_at.is_not(None),
    )


def _expire(connection: sa.Connection, config_ids: Sequence[int], now: dt.datetime) -> None:
    """Store what reads as expired already."""
    connection.execute(
        sa.update(TABLE)
        .where(TABLE.c.config_id.in_(list(config_ids)), TABLE.c.status == "active", TABLE.c.expires_at <= now)
        .values(status="expired")
    )


# ------------------------------------------------------------------------------------ for readers


def read_recommendations(
    connection: sa.Connection,
    config_ids: Sequence[int] | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
    entity_types: Iterable[EntityType] | None = None,
    *,
    entity_ids: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
    statuses: Sequence[str] | None = None,
    is_blocked: bool | None = None,
    now: dt.datetime | None = None,
) -> pl.DataFrame:
    """The stored rows of days [start, end], with their status as it is at `now`, best first.

    All columns of the table, JSON as text, and `money_per_week` out of `expected_impact`. An active row that
    is over reads as expired. Newest date first, then by priority and money.
    """
    status = status_at(as_utc(now or dt.datetime.now(dt.UTC)))
    where: list[Condition] = []
    if types is not None:
        where.append(TABLE.c.recommendation_type.in_(list(types)))
    if is_blocked is not None:
        where.append(TABLE.c.blocked_by.is_not(None) if is_blocked else TABLE.c.blocked_by.is_(None))
    rows = read_table(
        connection,
        MLRecommendation,
        start,
        end,
        entity_types,
        config_ids,
        entity_ids=entity_ids,
        where=where,
    )
    money = pl.col("expected_impact").str.json_path_match("$.money_per_week.value")
    rows = rows.with_columns(status=status, money_per_week=money.cast(pl.Float64, strict=False))
    if statuses is not None:
        rows = rows.filter(pl.col("status").is_in(list(statuses)))
    return rows.sort(
        "recommendation_date", "priority", "money_per_week", "config_id", "entity_id", "recommendation_type",
        descending=[True, True, True, False, False, False], nulls_last=True,
    )  # fmt: skip


def status_at(now: dt.datetime) -> pl.Expr:
    """The status of stored rows as it reads at `now` (with a time zone)."""
    is_over = (pl.col("status") == "active") & (pl.col("expires_at") <= now)
    return pl.when(is_over).then(pl.lit("expired")).otherwise("status")


def newest_dates(connection: sa.Connection, config_ids: Sequence[int] | None = None) -> pl.DataFrame:
    """config_id, recommendation_date: the newest date with any recommendation of each account."""
    return (
        read_reach(connection, MLRecommendation, config_ids)
        .group_by("config_id")
        .agg(recommendation_date=pl.col("last_date").max())
        .sort("config_id")
    )


# --------------------------------------------------------------------------------- for decisions


def read_user_actions(connection: sa.Connection, config_ids: Sequence[int], since: dt.date) -> pl.DataFrame:
    """What people did with recommendations since a day, in USER_ACTIONS, oldest first.

    A case that was dismissed and then applied after all has a row for each. `confidence_score` is that of the
    newest row of the case that was there on that day. What was detected is not among them.
    """
    # The day begins up to 14 hours earlier than in UTC.
    start = dt.datetime.combine(since - dt.timedelta(days=1), dt.time(), dt.UTC)
    names = [*CASE_ROWS, "confidence_score"]
    rows = read_table(
        connection,
        MLRecommendation,
        config_ids=config_ids,
        columns=names,
        where=[(TABLE.c.applied_at >= start) | (TABLE.c.dismissed_at >= start)],
    )
    zones = read_accounts(connection, config_ids, active_only=False)
    by_person = pl.col("applied_by").ne_missing(DETECTED)
    did = pl.concat(
        [
            rows.filter(pl.col("applied_at") >= start, by_person).with_columns(
                action=pl.lit("applied"), at="applied_at", by="applied_by", reason=None
            ),
            rows.filter(pl.col("dismissed_at") >= start).with_columns(
                action=pl.lit("dismissed"), at="dismissed_at", by="dismissed_by", reason="dismissed_reason"
            ),
        ],
        how="vertical_relaxed",
    )
    said_on = local_date(pl.col("at"), pl.col("timezone").fill_null("UTC"), zones_of(zones))
    return conform(
        did.join(zones.select("config_id", "timezone"), on="config_id", how="left")
        .with_columns(was_there=(pl.col("recommendation_date") < said_on).fill_null(value=False))
        .with_columns(
            nearness=pl.when("was_there").then(1).otherwise(-1) * pl.col("recommendation_date").to_physical()
        )
        .sort("was_there", "nearness", "id")
        # Where restated figures have moved the first date, two cases tell of the same deed.
        .unique([*KEY, "recommendation_type", "action", "at"], keep="last", maintain_order=True)
        .sort("at", *KEY, "recommendation_type"),
        USER_ACTIONS,
    )


def read_suspensions(
    connection: sa.Connection, start: dt.date, end: dt.date, config_ids: Sequence[int]
) -> pl.DataFrame:
    """Accounts and levels whose figures of days [start, end] must not be acted upon, in SUSPENSIONS, sorted.

    They come from the alerts among the anomalies of the types in `SUSPENDED_BY`.
    """
    table = table_of(MLAnomaly)
    columns = ("config_id", "entity_type", "anomaly_date", "anomaly_type", "description", "metric_name", "id")
    rows = read_table(
        connection,
        MLAnomaly,
        start,
        end,
        LEVELS,
        config_ids,
        columns=columns,
        where=[table.c.is_alert.is_(sa.true()), table.c.anomaly_type.in_(list(SUSPENDED_BY))],
    )
    told = rows.select(
        "config_id",
        "entity_type",
        "id",
        date="anomaly_date",
        guard=pl.col("anomaly_type").replace_strict(SUSPENDED_BY, return_dtype=pl.String),
        reason=pl.coalesce("description", "metric_name"),
    )
    key = ("config_id", "entity_type", "date", "guard")
    return conform(
        told.sort(*key, "reason", "id").unique(key, keep="first", maintain_order=True), SUSPENSIONS
    )
