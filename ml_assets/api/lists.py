"""One way for all lists: the accounts a caller may see, the page, and what an empty one means."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from fastapi import Response

from ml_assets.api.answers import page_answer, stored_json
from ml_assets.api.callers import Caller
from ml_assets.api.context import Context
from ml_assets.api.filters import OfEntities, Paged, visible_accounts
from ml_assets.api.paging import read_cursor, write_cursor
from ml_assets.api.problems import Problem
from ml_assets.entities import LEVELS, EntityType
from ml_assets.storage.pages import Page
from ml_assets.storage.reads import read_entities

ReadPage = Callable[[sa.Connection, Sequence[int], Sequence[str | None] | None], Page]
"""(connection, config_ids, the place to begin after) -> the page."""


def answer_page(
    context: Context,
    caller: Caller,
    query: Paged,
    read: ReadPage,
    *,
    size: int,
    documents: Sequence[str] = (),
    shape: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda row: row,
) -> Response:
    """A page of the accounts that the caller may see.

    `size` is the number of values of a place, `documents` are columns of JSON.

    Raises Problem 404 for an account or entity that is not there, 403 for an account the token lacks, 422 for
    a cursor of another list.
    """
    config_ids = visible_accounts(context, caller, query.config_id)
    filters = {"list": type(query).__name__, **query.filters()}
    after = None if query.cursor is None else read_cursor(query.cursor, filters, size)
    page = context.read(lambda connection: read(connection, config_ids, after))
    if not page.rows and isinstance(query, OfEntities) and query.entity_id is not None:
        level, entity_id = query.level, query.entity_id
        context.read(lambda connection: require_entity(connection, config_ids, level, entity_id))
    for row in page.rows:
        for name in documents:
            row[name] = stored_json(row[name])
    items = [shape(row) for row in page.rows]
    cursor = None if page.next_place is None else write_cursor(page.next_place, filters)
    return page_answer(items, cursor, context.data_as_of(config_ids))


def as_before(row: dict[str, Any]) -> dict[str, Any]:
    """A row with `campaign_id`, which callers from before the levels read campaigns by."""
    row["campaign_id"] = row["entity_id"] if row["entity_type"] == EntityType.CAMPAIGN.value else None
    return row


def require_entity(
    connection: sa.Connection, config_ids: Sequence[int], level: EntityType, entity_id: str
) -> None:
    """Raises Problem 404 for an entity that none of the accounts has at this level."""
    require_entities(connection, config_ids, level, [entity_id])


def require_entities(
    connection: sa.Connection, config_ids: Sequence[int], level: EntityType, entity_ids: Sequence[str]
) -> None:
    """As `require_entity`, for all of them; the first that is not there is named."""
    found = read_entities(connection, LEVELS, config_ids, entity_ids).select("entity_type", "entity_id")
    there = set(found.filter(found["entity_type"] == level.value)["entity_id"])
    missing = [each for each in entity_ids if each not in there]
    if not missing:
        return
    levels = dict(found.select("entity_id", "entity_type").rows())
    other = levels.get(missing[0])
    hint = f" It is an {other}: give entity_type={other}." if other else ""
    raise Problem(404, f"There is no {level.value} {missing[0]} in the accounts asked for.{hint}")
