"""Pages of a table, for readers who take a list piece by piece: one indexed query each, in a stable order.

A page begins after the place where the one before ended, not at a number of rows: what is written meanwhile
neither repeats a row nor skips one. Statements are built once for each shape of a list; what a caller asks
for is bound to them. Which lists there are is said in `ml_assets.storage.lists`.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ml_assets.errors import UsageError
from ml_assets.frames import Schema
from ml_assets.storage.bulk import fetch_statement, projected
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import Condition
from ml_assets.storage.tables import AdsAccount

Span = Literal["newest", "from", "to", "between", "all"]
"""Which days: each account's newest, from a day on, up to one, between two, all there are."""

Days = tuple[dt.date | None, dt.date | None]


@dataclass(frozen=True)
class Sort:
    """One step of the order of a list: an expression that is never null, with its type."""

    expression: sa.ColumnElement[Any]
    is_descending: bool = False

    @property
    def ordered(self) -> sa.UnaryExpression[Any]:
        """For ORDER BY."""
        return self.expression.desc() if self.is_descending else self.expression.asc()

    @property
    def kind(self) -> pl.DataType:
        """What a value of it is."""
        kind = self.expression.type
        if isinstance(kind, sa.Date):
            return pl.Date()
        if isinstance(kind, sa.Integer):
            return pl.Int64()
        return pl.Float64() if isinstance(kind, sa.Float) else pl.String()

    def parsed(self, text: str) -> Any:  # noqa: ANN401 - of the type of the expression
        """A value of it, from the text in a cursor. Raises ValueError for another text."""
        if self.kind == pl.Date():
            return dt.date.fromisoformat(text)
        if self.kind == pl.Int64():
            number = int(text)
            if abs(number) >= 1 << 63:
                raise ValueError("too large")
            return number
        if "\x00" in text:
            raise ValueError("no text")
        return float(text) if self.kind == pl.Float64() else text


@dataclass(frozen=True, eq=False)
class Listing:
    """A list that can be asked for: of what, in which order, by what it can be chosen."""

    name: str
    columns: Mapping[str, tuple[sa.ColumnElement[Any], pl.DataType]]
    source: sa.FromClause
    account: sa.ColumnElement[int]
    """Whose config_id is among the accounts that are shown."""
    order: tuple[Sort, ...]
    """Unique, so its last step is a key."""
    filters: Mapping[str, Callable[[], Condition]]
    """Name -> a condition on the bound parameter of that name; used where the name is given a value."""
    key: sa.Column[Any] | None = None
    """Its primary key, where that is one column."""
    always: tuple[Condition, ...] = ()
    """What holds for every row of it."""
    date: sa.ColumnElement[dt.date] | None = None
    level: sa.ColumnElement[str] | None = None
    """Needed, with `date`, for the newest day of each account."""

    @property
    def documents(self) -> tuple[str, ...]:
        """Columns of JSON, which come as text."""
        return tuple(name for name, (column, _) in self.columns.items() if isinstance(column.type, sa.JSON))


@dataclass(frozen=True)
class Page:
    """Rows as dicts, JSON as text, and the place that the next page begins after.

    A place holds the values of the order; of the newest days, also the newest of them all as the list began.
    """

    rows: list[dict[str, Any]]
    next_place: tuple[Any, ...] | None
    """None: this is the last page."""


NEWEST = "newest_day"
"""Told by the first page of a list of the newest days, for its place."""


def _tells_newest(span: Span, is_after: bool) -> bool:
    return span == "newest" and not is_after


def span_of(days: Days | None) -> Span:
    """Which days are meant; `days` None: each account's newest."""
    if days is None:
        return "newest"
    first, last = days
    if first is not None and last is not None:
        return "between"
    if first is None and last is None:
        return "all"
    return "to" if first is None else "from"


def read_page(
    connection: sa.Connection,
    listing: Listing,
    config_ids: Sequence[int],
    asked: Mapping[str, Any],
    *,
    days: Days | None = (None, None),
    after: Sequence[str | None] | None = None,
    limit: int,
) -> Page:
    """The first `limit` rows of a list after the place `after`, of these accounts.

    `asked` gives values to filters (None: any), and to what the columns themselves are bound to. `days` are
    the first and last day (None: open); None: the newest of each account. Raises UsageError for a place that
    is none of this list.

    A list of the newest days does not go beyond the newest that there was as it began, so days that come in
    while it is read do not cut it short. An account that was behind others and catches up meanwhile may be
    left out.
    """
    dialect = connection.dialect.name
    given = {name: value for name, value in asked.items() if value is not None}
    span = span_of(days)
    values: dict[str, Any] = {**given, "row_limit": limit + 1, "config_ids": list(config_ids)}
    if days is not None:
        first, last = days
        if first is not None:
            values["first_day"] = first
        if last is not None:
            values["next_day"] = last + dt.timedelta(days=1)
    if after is not None:
        values |= _place(listing, after, span)
    is_one = len(config_ids) == 1
    if is_one:
        values["config_id"] = values.pop("config_ids")[0]
    shape = (
        listing,
        dialect,
        is_one,
        tuple(sorted(given.keys() & listing.filters.keys())),
        span,
        after is not None,
    )
    if dialect == "postgresql":
        rows = _quick_rows(connection, shape, values)
    else:
        if not is_one:
            values["config_ids"] = json.dumps(values["config_ids"])
        schema = _schema(listing, _tells_newest(span, after is not None))
        rows = fetch_statement(connection, _statement(*shape).params(**values), schema).to_dicts()
    newest = [row.pop(NEWEST) for row in rows][:1] if _tells_newest(span, after is not None) else []
    places = [f"place_{number}" for number in range(len(listing.order))]
    found = [tuple([row.pop(name) for name in places]) for row in rows]
    if len(rows) <= limit:
        return Page(rows, None)
    if span != "newest":
        return Page(rows[:limit], found[limit - 1])
    return Page(rows[:limit], (*found[limit - 1], newest[0] if after is None else after[-1]))


def _quick_rows(
    connection: sa.Connection, shape: tuple[Any, ...], values: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Rows of a statement that is text already, as the driver gives them; times are UTC, without a zone."""
    text, fixed = _text(values.get("level"), *shape)
    result = connection.exec_driver_sql(text, {**fixed, **values})
    rows = [] if result.cursor is None else result.cursor.fetchall()
    result.close()
    names = _names(shape[0], _tells_newest(shape[4], shape[5]))
    return [dict(zip(names, row, strict=True)) for row in rows]


@lru_cache(maxsize=1024)
def _text(level: str | None, *shape: Any) -> tuple[str, dict[str, Any]]:  # noqa: ANN401 - as `_statement`
    """A statement as PostgreSQL's driver takes it, and the parameters that are the same at every call."""
    statement, dialect = _statement(*shape), postgresql.psycopg.dialect()
    bound = {**statement.compile(dialect=dialect).params, "level": level}
    options = {"render_postcompile": True}
    compiled = statement.params(bound).compile(dialect=dialect, compile_kwargs=options)
    return str(compiled), {name: value for name, value in bound.items() if value is not None}


@lru_cache(maxsize=1024)
def _statement(
    listing: Listing, dialect: str, is_one: bool, given: tuple[str, ...], span: Span, is_after: bool
) -> sa.Select[Any]:
    """The statement of a shape of a list; what differs from call to call is bound by name.

    The keys of the page are found first, and only their rows are read whole. `is_one`: of one account, which
    spares PostgreSQL the sorting.
    """
    columns = [
        projected(dialect, column, dtype).label(name) for name, (column, dtype) in listing.columns.items()
    ]
    places = [
        projected(dialect, step.expression, step.kind).label(f"place_{number}")
        for number, step in enumerate(listing.order)
    ]
    conditions = [*listing.always, *(listing.filters[name]() for name in given)]
    if listing.date is not None and span in {"from", "between"}:
        conditions.append(listing.date >= sa.bindparam("first_day", type_=sa.Date))
    if listing.date is not None and span in {"to", "between"}:
        # Below the next day, not up to the last: a loader may have written midnight into the day.
        conditions.append(listing.date < sa.bindparam("next_day", type_=sa.Date))
    if is_after:
        conditions += _after(listing.order)
    kept = [*([listing.key] if listing.key is not None else columns), *places]
    if span == "newest" and not is_one:
        found = _of_newest_days(listing, dialect, kept, conditions, is_after)
    else:
        asked = sa.bindparam("config_id", type_=sa.BigInteger)
        conditions.append(listing.account == asked if is_one else _among(dialect, listing.account))
        if span == "newest":
            newest = _newest_day(listing, asked, is_after)
            conditions.append(_date_of(listing) == newest)
            kept += [] if is_after else [projected(dialect, newest, pl.Date()).label(NEWEST)]
        found = _first(sa.select(*kept).select_from(listing.source).where(*conditions), _ordered(listing))
    if listing.key is None:
        return found
    keys = found.subquery("page")
    return (
        sa.select(*columns, *(keys.c[name] for name in keys.c.keys()[1:]))
        .select_from(listing.source.join(keys, keys.c[listing.key.name] == listing.key))
        .order_by(*_ordered(listing, keys))
    )


def _of_newest_days(
    listing: Listing,
    dialect: str,
    kept: Sequence[sa.ColumnElement[Any]],
    conditions: Sequence[Condition],
    is_after: bool,
) -> sa.Select[Any]:
    """The first rows of the newest day of each account that is bound: look-ups in an index for each.

    PostgreSQL is told to go from account to account (LATERAL). Left to choose, it reads whole tables where
    an account has a few hundred rows a day.
    """
    accounts = table_of(AdsAccount)
    newest = (
        sa.select(accounts.c.config_id, _newest_day(listing, accounts.c.config_id, is_after).label("day"))
        .where(_among(dialect, accounts.c.config_id))
        .cte("newest")
    )
    is_of_account = (listing.account == newest.c.config_id, _date_of(listing) == newest.c.day)
    of_all = projected(dialect, sa.select(sa.func.max(newest.c.day)).scalar_subquery(), pl.Date())
    told = [] if is_after else [of_all.label(NEWEST)]
    if dialect != "postgresql":
        rows = sa.select(*kept, *told).select_from(newest.join(listing.source, sa.and_(*is_of_account)))
        return _first(rows.where(*conditions), _ordered(listing))
    of_account = sa.select(*kept).select_from(listing.source).where(*is_of_account, *conditions)
    rows = _first(of_account, _ordered(listing)).correlate(newest).lateral("of_account")
    found: list[Any] = [*rows.c, *told]
    return _first(sa.select(*found).select_from(newest.join(rows, sa.true())), _ordered(listing, rows))


def _first(rows: Any, order: Sequence[sa.UnaryExpression[Any]]) -> sa.Select[Any]:  # noqa: ANN401 - a select
    """As many of the rows as are bound."""
    return rows.order_by(*order).limit(sa.bindparam("row_limit", type_=sa.Integer))


def _ordered(listing: Listing, page: sa.FromClause | None = None) -> list[sa.UnaryExpression[Any]]:
    """The order of a list, of its own columns or of the places that `page` has."""
    return [
        step.ordered if page is None else replace(step, expression=page.c[f"place_{number}"]).ordered
        for number, step in enumerate(listing.order)
    ]


def _among(dialect: str, config_id: sa.ColumnElement[int]) -> Condition:
    """The account is one of the bound ones: a list of them on PostgreSQL, JSON text on SQLite."""
    if dialect == "postgresql":
        ids = sa.bindparam("config_ids", type_=postgresql.ARRAY(sa.BigInteger))
        return config_id == sa.any_(ids)
    items = sa.func.json_each(sa.bindparam("config_ids", type_=sa.Text)).table_valued("value")
    return config_id.in_(sa.select(items.c.value))


def _newest_day(
    listing: Listing, account: sa.ColumnElement[int], is_bounded: bool = False
) -> sa.ScalarSelect[dt.date]:
    """The newest day of an account (a column of the statement around it, or a bound one) and level."""
    date = _date_of(listing)
    if listing.level is None:
        raise ValueError(f"{listing.name} has no levels")
    other = date.table.alias("other")
    newest = sa.select(sa.func.max(other.c[date.name])).where(
        other.c.config_id == account,
        other.c[listing.level.name] == asked_level(),
    )
    if is_bounded:
        newest = newest.where(other.c[date.name] < sa.bindparam("next_day", type_=sa.Date))
    around = account.table if isinstance(account, sa.Column) else None
    return newest.correlate(around).scalar_subquery()


def _date_of(listing: Listing) -> sa.Column[dt.date]:
    if not isinstance(listing.date, sa.Column):
        raise TypeError(f"{listing.name} has no days")
    return listing.date


def _after(order: Sequence[Sort]) -> list[Condition]:
    """Rows that come after a place: it differs in some step, and is beyond it in the first such step."""
    values = [
        sa.bindparam(f"after_{number}", type_=step.expression.type) for number, step in enumerate(order)
    ]

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


def place_size(listing: Listing, days: Days | None) -> int:
    """How many values a place of a list has."""
    return len(listing.order) + (span_of(days) == "newest")


def _place(listing: Listing, after: Sequence[str | None], span: Span) -> dict[str, Any]:
    """The values of a place by the names they are bound to. Raises UsageError for a place of another list."""
    steps = len(listing.order)
    if len(after) != steps + (span == "newest") or any(value is None for value in after):
        raise UsageError("The cursor is of another list.")
    try:
        values: dict[str, Any] = {
            f"after_{number}": step.parsed(str(text))
            for number, (step, text) in enumerate(zip(listing.order, after[:steps], strict=True))
        }
        if span == "newest":
            values["next_day"] = dt.date.fromisoformat(str(after[-1])) + dt.timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise UsageError("The cursor is of another list.") from error
    return values


@lru_cache(maxsize=128)
def _schema(listing: Listing, tells_newest: bool) -> Schema:
    """Names and types of the columns of a list, of the values of its order, and of the newest day."""
    columns = {name: dtype for name, (_, dtype) in listing.columns.items()}
    places = {f"place_{number}": step.kind for number, step in enumerate(listing.order)}
    return columns | places | ({NEWEST: pl.Date()} if tells_newest else {})


@lru_cache(maxsize=128)
def _names(listing: Listing, tells_newest: bool) -> tuple[str, ...]:
    # SQLAlchemy's own kind of text, which some tables have as names, is no key of JSON.
    return tuple(str(name) for name in _schema(listing, tells_newest))


def asked_level() -> sa.BindParameter[str]:
    """The level that is bound, one of ours. It stands in the text, not beside it.

    Levels differ fifteenfold in rows. With the level in the text, PostgreSQL's one plan for all calls fits:
    it plans once instead of every time, which took half as long as the query.
    """
    return sa.bindparam("level", type_=sa.String, literal_execute=True)


def moment(name: str) -> sa.BindParameter[Any]:
    """A bound time in UTC."""
    return sa.bindparam(name, type_=sa.DateTime(timezone=True))
