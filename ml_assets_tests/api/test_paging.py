"""Pages put together are the list, whatever their size and whatever is written meanwhile."""

import datetime as dt
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage import lists
from ml_assets.storage.accounts import add_account
from ml_assets.storage.engine import create_engine
from ml_assets.storage.keys import table_of
from ml_assets.storage.pages import read_page
from ml_assets.storage.tables import MLClassification
from ml_assets_tests.api.made import (
    DAYS,
    FIRST_DAY,
    LAST_DAY,
    LEGACY,
    RESULTS,
    Api,
    fill,
    insert_results,
    keys,
)

LISTS = (*RESULTS, "entities")
ALL_DAYS = {"from_": FIRST_DAY}


def pages(api: Api, path: str, limit: int, **query: Any) -> list[list[dict[str, Any]]]:
    """The items of each page of a list to its end."""
    found, cursor = [], {}
    while True:
        document = api.get(path, limit=limit, **query, **cursor)
        found.append(document["items"])
        if document["next_cursor"] is None:
            return found
        assert len(document["items"]) == limit
        cursor = {"cursor": document["next_cursor"]}


def spans(path: str) -> list[dict[str, Any]]:
    """Without days, and of all days where the list has days."""
    return [{}] if path == "entities" else [{}, ALL_DAYS]


def test_pages_of_any_size_put_together_are_the_list(api: Api) -> None:
    whole = {
        (path, level, number): api.items(path, entity_type=level, **span)
        for path in LISTS
        for level in ("campaign", "ad")
        for number, span in enumerate(spans(path))
    }

    @settings(max_examples=25, deadline=None)
    @given(st.sampled_from(sorted(whole)), st.integers(1, 20))
    def _same(asked: tuple[str, str, int], limit: int) -> None:
        path, level, number = asked
        found = pages(api, path, limit, entity_type=level, **spans(path)[number])
        assert [item for page in found for item in page] == whole[asked]

    _same()


def test_pages_of_one_row_hold_each_row_once(api: Api) -> None:
    for path in LISTS:
        for span in spans(path):
            whole = api.items(path, **span)
            found = pages(api, path, 1, **span)
            assert [item for page in found for item in page] == whole, path


def test_rows_that_are_written_meanwhile_neither_repeat_nor_hide_others(filled: sa.Engine, api: Api) -> None:
    """Rows before and after the place where a page ended: of new entities, on days that are there."""
    for path, model in RESULTS.items():
        whole = [item["id"] for item in api.items(path, **ALL_DAYS)]
        first = api.get(path, limit=4, **ALL_DAYS)
        new = keys(DAYS).with_columns(entity_id="9" + keys(DAYS)["entity_id"])
        with filled.begin() as connection:
            insert_results(connection, model, new)
        rest = api.items(path, cursor=first["next_cursor"], **ALL_DAYS)
        found = [item["id"] for item in (*first["items"], *rest)]
        assert len(set(found)) == len(found), path
        assert [each for each in found if each in set(whole)] == whole, path


def test_a_day_that_comes_in_meanwhile_does_not_cut_the_newest_day_short(filled: sa.Engine, api: Api) -> None:
    """The list goes on with the day that it began with, also where accounts differ in their newest day."""
    for path, model in RESULTS.items():
        whole = [item["id"] for item in api.items(path)]
        first = api.get(path, limit=2)
        with filled.begin() as connection:
            insert_results(connection, model, keys([LAST_DAY + dt.timedelta(days=1)]))
        rest = api.items(path, cursor=first["next_cursor"])
        assert [item["id"] for item in (*first["items"], *rest)] == whole, path


def test_older_rows_stay_out_where_the_newest_day_has_none_of_a_filter(filled: sa.Engine, api: Api) -> None:
    """Account 3 has the newest day of all, and none of the tier on it."""
    with filled.begin() as connection:
        add_account(connection, AccountInfo("3", "Gamma"))
        rows = keys(DAYS).filter(pl.col("config_id") == 1, pl.col("entity_type") == "ad")
        insert_results(connection, MLClassification, rows.with_columns(config_id=pl.lit(3)))
        table = table_of(MLClassification)
        newest = table.c.config_id.in_([1, 3]) & (table.c.classification_date == LAST_DAY)
        connection.execute(sa.update(table).where(newest).values(tier="MODERATE"))
    query = {"entity_type": "ad", "tier": "LOW"}
    whole = api.items("classifications", **query)
    assert {item["config_id"] for item in whole} == {2}
    assert [item for page in pages(api, "classifications", 1, **query) for item in page] == whole


@pytest.mark.postgres
def test_each_list_is_found_through_an_index(postgres_url: str) -> None:
    """Not by reading a table from end to end, even where that is all that is left."""
    engine = create_engine(postgres_url)
    fill(engine)
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    for name, model in RESULTS.items():
        listing = getattr(lists, name.upper())
        for days in (None, (FIRST_DAY, LAST_DAY), (None, None)):
            for config_ids in ([1], [1, 2]):
                values = {"level": "campaign", "now": dt.datetime.now(dt.UTC), "blocked": False}
                with engine.connect() as connection:
                    connection.exec_driver_sql("SET enable_seqscan = off")
                    event.listen(engine, "before_cursor_execute", note)
                    read_page(connection, listing, config_ids, values, days=days, limit=50)
                    event.remove(engine, "before_cursor_execute", note)
                    statement, parameters = asked[-1]
                    rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()
                    plan = "\n".join(rows)
                table = table_of(model).name
                assert f"Seq Scan on {table}" not in plan, plan
                assert "Index" in plan, plan
    engine.dispose()


def test_a_page_that_is_full_to_the_last_row_is_the_last(api: Api) -> None:
    size = len(api.items("classifications", entity_type="ad"))
    document = api.get("classifications", entity_type="ad", limit=size)
    assert document["next_cursor"] is None
    assert LEGACY not in [item["entity_id"] for item in document["items"]]
