"""One way for all lists: the accounts a caller may see, the page, and what an empty one means."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from fastapi import Response

from ml_assets.api.answers import json_answer, page_document, stored_json
from ml_assets.api.callers import Caller
from ml_assets.api.context import Context
from ml_assets.api.filters import OfDays, OfEntities, Paged, visible_accounts
from ml_assets.api.paging import read_cursor, write_cursor
from ml_assets.api.problems import Problem
from ml_assets.entities import LEVELS, EntityType
from ml_assets.storage.pages import Days, Listing, place_size, read_page
from ml_assets.storage.reads import read_entities

EVERY_DAY: Days = (None, None)

Rows = list[dict[str, Any]]


def read_list(
    context: Context,
    caller: Caller,
    query: Paged,
    listing: Listing,
    asked: Mapping[str, Any],
    *,
    is_of_any_day: bool = False,
    complete: Callable[[sa.Connection, Rows], None] | None = None,
) -> dict[str, Any]:
    """A page of a list, of the accounts that the caller may see, as `json_answer` takes it.

    `asked` gives values to the list's filters beside those of the query's own fields. Without days in the
    query it is of each account's newest day, or `is_of_any_day`. `complete` adds to the rows.

    Raises Problem 404 for an account or entity that is not there, 403 for an account the token lacks, 422 for
    a cursor of another list.
    """
    config_ids = visible_accounts(context, caller, query.config_id)
    filters = {"list": listing.name, **query.filters()}
    days = query.days if isinstance(query, OfDays) else EVERY_DAY
    if days is None and is_of_any_day:
        days = EVERY_DAY
    after = None if query.cursor is None else read_cursor(query.cursor, filters, place_size(listing, days))
    values = dict(asked)
    if isinstance(query, OfEntities):
        values |= {"level": query.entity_type, "entity_id": query.entity_id}

    def read(connection: sa.Connection) -> tuple[Rows, tuple[Any, ...] | None]:
        page = read_page(
            connection,
            listing,
            config_ids,
            values,
            days=days,
            after=after,
            limit=query.limit,
        )
        if not page.rows and isinstance(query, OfEntities) and query.entity_id is not None:
            require_entities(connection, config_ids, query.level, [query.entity_id])
        if complete is not None:
            complete(connection, page.rows)
        return page.rows, page.next_place

    rows, place = context.read(read)
    documents = listing.documents
    has_campaign = "campaign_id" in listing.columns
    for row in rows:
        for name in documents:
            row[name] = stored_json(row[name])
        if not has_campaign:
            # Callers from before the levels read campaigns by it.
            row["campaign_id"] = row["entity_id"] if row["entity_type"] == "campaign" else None
    cursor = None if place is None else write_cursor(place, filters)
    return page_document(rows, cursor, context.data_as_of(config_ids))


def answer_list(
    context: Context,
    caller: Caller,
    query: Paged,
    listing: Listing,
    asked: Mapping[str, Any],
) -> Response:
    """A page of a list as a response; as `read_list`."""
    return json_answer(read_list(context, caller, query, listing, asked))


def require_entities(
    connection: sa.Connection, config_ids: Sequence[int], level: EntityType, entity_ids: Sequence[str]
) -> None:
    """Raises Problem 404 for the first of the entities that none of the accounts has at this level."""
    found = read_entities(connection, LEVELS, config_ids, entity_ids).select("entity_type", "entity_id")
    there = set(found.filter(found["entity_type"] == level.value)["entity_id"])
    missing = [each for each in entity_ids if each not in there]
    if not missing:
        return
    other = dict(found.select("entity_id", "entity_type").rows()).get(missing[0])
    hint = f" It is an {other}: give entity_type={other}." if other else ""
    raise Problem(404, f"There is no {level.value} {missing[0]} in the accounts asked for.{hint}")


def as_before(row: dict[str, Any]) -> dict[str, Any]:
    """A row with `campaign_id`, which callers from before the levels read campaigns by."""
    return {**row, "campaign_id": row["entity_id"] if row["entity_type"] == "campaign" else None}
