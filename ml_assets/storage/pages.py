"""Pages of a table, for readers who take a list piece by piece: one indexed query each, in a stable order.

A page begins after the place where the one before ended, not at a number of rows: what is written meanwhile
neither repeats a row nor skips one. Which columns and conditions there are is said by the callers.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.errors import UsageError
from ml_assets.frames import Schema
from ml_assets.storage.bulk import fetch_rows
from ml_assets.storage.keys import date_column, table_of
from ml_assets.storage.reads import Condition
from ml_assets.storage.tables import AdsAccount


@dataclass(frozen=True)
class Sort:
    """One step of the order of a list: an expression that is never null."""

    expression: sa.ColumnElement[Any]
    is_descending: bool = False

    @property
    def ordered(self) -> sa.UnaryExpression[Any]:
        """For ORDER BY."""
        return self.expression.desc() if self.is_descending else self.expression.asc()

    def parsed(self, text: str) -> Any:  # noqa: ANN401 - of the type of the expression
        """A value of it, from the text in a cursor. Raises ValueError for another text."""
        kind = self.expression.type
        if isinstance(kind, sa.Date):
            return dt.date.fromisoformat(text)
        if isinstance(kind, sa.Integer):
            return int(text)
        return float(text) if isinstance(kind, sa.Float) else text


@dataclass(frozen=True)
class Page:
    """Rows as dicts, JSON as text, and the place (values of the order) that the next page begins after."""

    rows: list[dict[str, Any]]
    next_place: tuple[Any, ...] | None
    """None: this is the last page."""


def read_page(
    connection: sa.Connection,
    columns: Sequence[sa.ColumnElement[Any]],
    schema: Schema,
    *,
    source: sa.FromClause,
    where: Sequence[Condition],
    order: Sequence[Sort],
    after: Sequence[str | None] | None,
    limit: int,
) -> Page:
    """The first `limit` rows of `source` in `order` that meet `where`, after the place `after`.

    `schema` names and types `columns`. `order` has to be unique, so its last step is a key. Raises UsageError
    for a place that is none of this order.
    """
    conditions = list(where)
    if after is not None:
        conditions += _after(order, after)
    places = [step.expression for step in order]
    names = [f"place_{number}" for number in range(len(order))]
    kinds: Schema = {**schema, **{name: _kind(step) for name, step in zip(names, order, strict=True)}}
    rows = fetch_rows(
        connection,
        [*columns, *places],
        kinds,
        source=source,
        where=conditions,
        order_by=[step.ordered for step in order],
        limit=limit + 1,
    )
    found = [tuple(row.pop(name) for name in names) for row in rows]
    has_more = len(rows) > limit
    return Page(rows[:limit], found[limit - 1] if has_more else None)


def newest_of(
    model: type[Any], config_ids: Sequence[int], entity_type: str
) -> tuple[sa.FromClause, list[Condition]]:
    """The rows of a table on each account's newest date at a level: what to select from, and conditions.

    As many look-ups in an index as there are accounts.
    """
    source, is_newest = _newest(model, entity_type)
    return source, [table_of(AdsAccount).c.config_id.in_(list(config_ids)), is_newest]


@lru_cache
def _newest(model: type[Any], entity_type: str) -> tuple[sa.FromClause, Condition]:
    """The join and the condition of `newest_of`, which are the same for every call."""
    table, account = table_of(model), table_of(AdsAccount)
    other = table.alias("newest")
    date = date_column(table)
    newest = (
        sa.select(sa.func.max(other.c[date.name]))
        .where(other.c.config_id == account.c.config_id, other.c.entity_type == entity_type)
        .correlate(account)
        .scalar_subquery()
    )
    return account.join(table, table.c.config_id == account.c.config_id), date == newest


def _after(order: Sequence[Sort], after: Sequence[str | None]) -> list[Condition]:
    """Rows that come after a place: it differs in some step, and is beyond it in the first such step."""
    if len(after) != len(order) or any(value is None for value in after):
        raise UsageError("The cursor is of another list.")
    try:
        values = [step.parsed(str(text)) for step, text in zip(order, after, strict=True)]
    except ValueError as error:
        raise UsageError("The cursor is of another list.") from error

    def beyond(number: int) -> Condition:
        step, value = order[number], values[number]
        return step.expression < value if step.is_descending else step.expression > value

    first, start = order[0], values[0]
    # Said again for the index: it cannot tell from the rest where the place begins.
    begins = first.expression <= start if first.is_descending else first.expression >= start
    steps = [
        sa.and_(*(order[before].expression == values[before] for before in range(number)), beyond(number))
        for number in range(len(order))
    ]
    return [begins, sa.or_(*steps)]


def _kind(step: Sort) -> pl.DataType:
    kind = step.expression.type
    if isinstance(kind, sa.Date):
        return pl.Date()
    if isinstance(kind, sa.Integer):
        return pl.Int64()
    return pl.Float64() if isinstance(kind, sa.Float) else pl.String()
