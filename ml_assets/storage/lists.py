"""The lists that people and programs read page by page: what is in them, in which order, chosen by what.

How a page is read is in `ml_assets.storage.pages`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.anomalies.frames import ACCOUNT
from ml_assets.entities import EntityType
from ml_assets.frames import ENTITIES
from ml_assets.storage.bulk import schema_of
from ml_assets.storage.keys import date_column, table_of
from ml_assets.storage.pages import Listing, Sort, asked_level, moment
from ml_assets.storage.reads import ENTITY_MODELS, Condition, entity_columns
from ml_assets.storage.tables import (
    MLAnomaly,
    MLClassification,
    MLFeatures,
    MLForecast,
    MLIncident,
    MLIncidentDay,
    MLRecommendation,
)

FIRST = ("id", "config_id", "entity_type", "entity_id", "parent_id")
"""Columns that come first in every list; people read them first."""


def _columns(
    table: sa.Table, **instead: sa.ColumnElement[Any]
) -> dict[str, tuple[sa.ColumnElement[Any], pl.DataType]]:
    """All columns of a table, the key first; some `instead` of how they are stored."""
    schema = schema_of(table)
    names = sorted(schema, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return {name: (instead.get(name, table.c[name]), schema[name]) for name in names}


def _equal(column: sa.Column[Any], name: str | None = None) -> Callable[[], Condition]:
    """The column has the value that is bound by its own name, or `name`."""
    return lambda: column == sa.bindparam(name or column.name, type_=column.type)


def _of_entities(
    model: type[Any],
    name: str,
    *,
    order: tuple[Sort, ...] = (),
    last: tuple[Sort, ...] = (),
    filters: Mapping[str, Callable[[], Condition]],
    always: tuple[Condition, ...] = (),
    **instead: sa.ColumnElement[Any],
) -> Listing:
    """A table with a row for each entity and day: newest day first, then `order`, account and entity."""
    table = table_of(model)
    date = date_column(table)
    return Listing(
        name=name,
        columns=_columns(table, **instead),
        source=table,
        account=table.c.config_id,
        order=(
            Sort(date, is_descending=True),
            *order,
            Sort(table.c.config_id),
            Sort(table.c.entity_id),
            *last,
            Sort(table.c.id),
        ),
        filters={
            "level": lambda: table.c.entity_type == asked_level(),
            "entity_id": _equal(table.c.entity_id),
            **filters,
        },
        key=table.c.id,
        always=always,
        date=date,  # type: ignore[arg-type] - the partition's
        level=table.c.entity_type,
    )


_TIERS = table_of(MLClassification)
CLASSIFICATIONS = _of_entities(MLClassification, "classifications", filters={"tier": _equal(_TIERS.c.tier)})
"""Filters: level, entity_id, tier."""

FEATURES = _of_entities(MLFeatures, "features", filters={})
"""Filters: level, entity_id."""

_ANOMALIES = table_of(MLAnomaly)


def _is_open() -> Condition:
    """Nobody has seen it, and its incident goes on."""
    incident = table_of(MLIncident)
    goes_on = sa.exists().where(
        incident.c.incident_id == _ANOMALIES.c.incident_id, incident.c.status == sa.bindparam("open")
    )
    return sa.and_(
        goes_on, _ANOMALIES.c.is_alert.is_(sa.true()), _ANOMALIES.c.is_acknowledged.is_(sa.false())
    )


def _of_incident() -> Condition:
    """The id of its incident begins with the text that is bound; the range is for the index."""
    start = sa.bindparam("incident", type_=sa.String)
    column = _ANOMALIES.c.incident_id
    return sa.and_(column >= start, column < start.concat("g"))


ANOMALIES = _of_entities(
    MLAnomaly,
    "anomalies",
    last=(Sort(_ANOMALIES.c.metric_name), Sort(_ANOMALIES.c.anomaly_type)),
    filters={
        "severity": _equal(_ANOMALIES.c.severity),
        "metric": _equal(_ANOMALIES.c.metric_name, "metric"),
        "open": _is_open,
        "incident": _of_incident,
    },
    always=(_ANOMALIES.c.is_superseded.is_(sa.false()),),
)
"""Filters: level, entity_id, severity, metric, incident (its first digits), open ("open")."""

_ADVICE = table_of(MLRecommendation)


def status_now() -> sa.ColumnElement[str]:
    """The status of a recommendation as it reads at the bound moment `now`: what is over has expired."""
    is_over = (_ADVICE.c.status == "active") & (_ADVICE.c.expires_at <= moment("now"))
    return sa.case((is_over, "expired"), else_=_ADVICE.c.status)


RECOMMENDATIONS = _of_entities(
    MLRecommendation,
    "recommendations",
    order=(Sort(sa.func.coalesce(_ADVICE.c.priority, 0, type_=sa.BigInteger), is_descending=True),),
    filters={
        "type": _equal(_ADVICE.c.recommendation_type, "type"),
        "status": lambda: status_now() == sa.bindparam("status", type_=sa.String),
        "stored_status": _equal(_ADVICE.c.status, "stored_status"),
        "blocked": lambda: _ADVICE.c.blocked_by.is_not(None) == sa.bindparam("blocked", type_=sa.Boolean),
    },
    status=status_now(),
)
"""Filters: level, entity_id, type, status (`by_status`), blocked (whether it is held back). `now` has to be
bound."""


def by_status(status: str | None) -> dict[str, str]:
    """What to ask RECOMMENDATIONS for those of a status (None: of any): by the index where it is as stored.

    Only what is stored as active reads otherwise as time goes by.
    """
    if status is None:
        return {}
    return {"status" if status in {"active", "expired"} else "stored_status": status}


_FORECASTS = table_of(MLForecast)
FORECASTS = _of_entities(
    MLForecast,
    "forecasts",
    last=(Sort(_FORECASTS.c.target_metric), Sort(_FORECASTS.c.horizon_days)),
    filters={
        "metric": _equal(_FORECASTS.c.target_metric, "metric"),
        "horizon": _equal(_FORECASTS.c.horizon_days, "horizon"),
    },
)
"""Filters: level, entity_id, metric, horizon."""


@lru_cache(maxsize=8)
def entities(level: EntityType) -> Listing:
    """Campaigns, adsets or ads as last seen, in ENTITIES. Filters: entity_id, effective_status."""
    table = table_of(ENTITY_MODELS[level])
    own_id = table.c[level.id_column]
    columns, source = entity_columns(level)
    return Listing(
        name="entities",
        columns={name: (column, ENTITIES[name]) for name, column in columns.items()},
        source=source,
        account=table.c.config_id,
        order=(Sort(table.c.config_id), Sort(own_id)),
        filters={
            "entity_id": lambda: own_id == sa.bindparam("entity_id", type_=sa.String),
            "effective_status": _equal(table.c.effective_status),
        },
    )


_INCIDENTS = table_of(MLIncident)


def _was_issued() -> sa.ColumnElement[bool]:
    """It had a rank on any day: it has none on a quiet day and when it ends."""
    ranked = table_of(MLIncidentDay).alias("ranked")
    had_rank = sa.exists().where(
        ranked.c.incident_id == _INCIDENTS.c.incident_id, ranked.c.alert_rank.is_not(None)
    )
    return sa.or_(_INCIDENTS.c.alert_rank.is_not(None), had_rank)


def _is_at_level() -> Condition:
    """Rooted at the level; the account's own incidents are found with the campaigns'."""
    level = asked_level()
    own = (level == EntityType.CAMPAIGN.value) & (_INCIDENTS.c.entity_type == ACCOUNT)
    return sa.or_(_INCIDENTS.c.entity_type == level, own)


INCIDENTS = Listing(
    name="incidents",
    columns={**_columns(_INCIDENTS), "is_issued": (_was_issued(), pl.Boolean())},
    source=_INCIDENTS,
    account=_INCIDENTS.c.config_id,
    order=(
        Sort(
            sa.func.coalesce(_INCIDENTS.c.evaluated_date, _INCIDENTS.c.onset_date, type_=sa.Date),
            is_descending=True,
        ),
        Sort(sa.func.coalesce(_INCIDENTS.c.money, 0.0, type_=sa.Float), is_descending=True),
        Sort(_INCIDENTS.c.id),
    ),
    filters={
        "level": _is_at_level,
        "entity_id": _equal(_INCIDENTS.c.entity_id),
        "status": _equal(_INCIDENTS.c.status),
        "severity": _equal(_INCIDENTS.c.severity),
        "kind": _equal(_INCIDENTS.c.kind),
        "issued": lambda: _was_issued() == sa.bindparam("issued", type_=sa.Boolean),
    },
    key=_INCIDENTS.c.id,
)
"""Filters: level, entity_id, status, severity, kind, issued (whether people are told of it)."""
