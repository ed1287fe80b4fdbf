"""Pages of the result tables that have a row for each entity and day: newest day first, then by entity."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ml_assets.entities import EntityType
from ml_assets.storage.bulk import schema_of
from ml_assets.storage.keys import date_column, table_of
from ml_assets.storage.pages import Page, Sort, newest_of, read_page
from ml_assets.storage.reads import Condition

Days = tuple[dt.date | None, dt.date | None]


def read_entity_page(
    connection: sa.Connection,
    model: type[Any],
    entity_type: EntityType,
    config_ids: Sequence[int],
    days: Days | None,
    *,
    entity_id: str | None = None,
    equal: Mapping[str, Any] | None = None,
    where: Sequence[Condition] = (),
    columns: Sequence[str] | None = None,
    order: Sequence[Sort] | None = None,
    after: Sequence[str | None] | None = None,
    limit: int,
) -> Page:
    """Rows of a level on the days [first, last] (None: open); `days` None: on each account's newest day.

    `equal` names columns and the value each has to have (None: any). Sorted by date (newest first), account,
    entity and id, or by `order`.
    """
    table = table_of(model)
    date = date_column(table)
    schema = schema_of(table, columns)
    conditions: list[Condition] = [table.c.entity_type == entity_type.value, *where]
    asked = {"entity_id": entity_id, **(equal or {})}
    conditions += [table.c[name] == value for name, value in asked.items() if value is not None]
    source: sa.FromClause = table
    if days is None:
        source, newest = newest_of(model, config_ids, entity_type.value)
        conditions += newest
    else:
        conditions.append(table.c.config_id.in_(list(config_ids)))
        first, last = days
        if first is not None:
            conditions.append(date >= first)
        if last is not None:
            conditions.append(date < last + dt.timedelta(days=1))
    return read_page(
        connection,
        [table.c[name] for name in schema],
        schema,
        source=source,
        where=conditions,
        order=order
        or (
            Sort(date, is_descending=True),
            Sort(table.c.config_id),
            Sort(table.c.entity_id),
            Sort(table.c.id),
        ),
        after=after,
        limit=limit,
    )
