import datetime as dt

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal
from sqlalchemy import event

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import ENTITIES, INSIGHTS
from ml_assets.storage import bulk
from ml_assets.storage.bulk import parse_times
from ml_assets.storage.reads import (
    insight_days,
    read_accounts,
    read_entities,
    read_insights,
    read_table,
)
from ml_assets.storage.tables import MLClassification
from ml_assets.storage.writes import append_insights, upsert_entities
from ml_assets_tests.storage.frames_of import DAY, READ_AT, entities, entity, insight, insights

HOUR = dt.timedelta(hours=1)


def test_the_newest_version_is_current_and_as_of_reads_what_was_known(engine: sa.Engine) -> None:
    rows = insights(
        insight(leads=1),
        insight(leads=3, known_at=READ_AT + 24 * HOUR),
        insight(leads=2, known_at=READ_AT + 48 * HOUR),
        insight("2", leads=9, known_at=READ_AT + 24 * HOUR),
        insight(window_days=7, leads=None, reach=70),
    )
    with engine.begin() as connection:
        append_insights(connection, rows)
        assert read_insights(connection, DAY, DAY, window_days=1).sort("entity_id")["leads"].to_list() == [
            2,
            9,
        ]
        then = read_insights(connection, DAY, DAY, window_days=1, as_of=READ_AT + 2 * HOUR)
        assert then["leads"].to_list() == [1]
        assert read_insights(connection, DAY, DAY, as_of=READ_AT - HOUR).is_empty()
        assert read_insights(connection, DAY, DAY, window_days=7)["reach"].to_list() == [70]
        assert read_insights(connection, DAY, DAY, [EntityType.AD]).is_empty()
        assert read_insights(connection, DAY, DAY, config_ids=[2]).is_empty()
        days = insight_days(connection, DAY, DAY)
    assert days.select("rows", "spend", "known_at").rows() == [(2, 20.0, READ_AT + 48 * HOUR)]


def test_times_in_any_form_a_loader_writes_into_sqlite_are_read_and_ordered(sqlite_url: str) -> None:
    forms = [
        "2026-02-03 05:00:00",
        "2026-02-03T06:00:00Z",
        "2026-02-03 07:00:00.250000",
        "2026-02-03T05:30:00-03:00",
        "2026-02-03 09:00:00+00:00",
        "2026-02-03T10:00:00.500+00:00",
    ]
    engine = sa.create_engine(sqlite_url)
    with engine.begin() as connection:
        for leads, form in enumerate(forms):
            connection.exec_driver_sql(
                "INSERT INTO ads_insights (config_id, entity_type, entity_id, date, known_at, leads) "
                "VALUES (1, 'ad', 5, '2026-02-02', ?, ?)",
                (form, leads),
            )
        for leads, form in enumerate(forms):
            moment = parse_times(pl.Series("at", [form]))
            as_of = pl.select(moment).item()
            found = read_insights(connection, DAY, DAY, as_of=as_of)
            assert found.select("entity_id", "leads", "known_at").rows() == [("5", leads, as_of)]
        assert read_insights(connection, DAY, DAY)["leads"].to_list() == [5]
    engine.dispose()


def test_entities_of_all_levels_come_as_one_frame_with_their_parents(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO ads_accounts (config_id, account_id) VALUES (1, 'a')"))
        connection.execute(sa.text("INSERT INTO ads_campaigns (config_id, campaign_id) VALUES (1, 'c')"))
        connection.execute(
            sa.text("INSERT INTO ads_adsets (config_id, adset_id, campaign_id) VALUES (1, 's', 'c')")
        )
        connection.execute(sa.text("INSERT INTO ads_ads (config_id, ad_id, adset_id) VALUES (1, 'a', 's')"))
        found = read_entities(connection)
        assert read_accounts(connection)["is_active"].to_list() == [True]
    assert found.schema == ENTITIES
    assert found.select("entity_type", "entity_id", "parent_id", "campaign_id").rows() == [
        ("campaign", "c", None, "c"),
        ("adset", "s", "c", "c"),
        ("ad", "a", "s", "c"),
    ]


def test_any_text_comes_back_as_it_was(engine: sa.Engine) -> None:
    names = ["", 'say "hi", \\N?', "two\nlines", "Ação é 😀", "NULL", "\\.", "  ", None]
    rows = entities(*(entity("campaign", str(n), name=name) for n, name in enumerate(names)))
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO ads_accounts (config_id, account_id) VALUES (1, 'a')"))
        upsert_entities(connection, rows, READ_AT)
        assert read_entities(connection, [EntityType.CAMPAIGN])["name"].to_list() == names


def test_figures_come_back_to_the_last_bit(engine: sa.Engine) -> None:
    rows = insights(
        insight("1", spend=0.1 + 0.2, frequency=1 / 3, impressions=2**53 + 1, actions='[{"value": "1"}]'),
        insight("2", spend=float("nan"), leads=None, known_at=READ_AT + dt.timedelta(microseconds=7)),
    )
    with engine.begin() as connection:
        append_insights(connection, rows)
        found = read_insights(connection, DAY, DAY).sort("entity_id")
    assert found.schema == INSIGHTS
    assert_frame_equal(found, rows.with_columns(pl.col("spend").fill_nan(None)), check_exact=True)


def test_an_empty_table_reads_as_an_empty_frame_of_its_schema(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        frame = read_table(
            connection, MLClassification, DAY, DAY, LEVELS, [1], columns=["tier", "classified_at"]
        )
    assert frame.schema == {"tier": pl.String(), "classified_at": pl.Datetime("us", "UTC")}


@pytest.mark.parametrize("as_of", [None, READ_AT])
def test_current_and_as_of_reads_use_an_index(engine: sa.Engine, as_of: dt.datetime | None) -> None:
    """The plan of the very statement, on enough rows for the planner to have a choice."""
    days = [DAY - dt.timedelta(days=n) for n in range(200)]
    rows = insights(*(insight(str(n), date=day) for day in days for n in range(20)))
    seen: list[str] = []

    def explain(connection: sa.Connection, statement: str, parameters: object) -> None:
        prefix = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        plan = connection.exec_driver_sql(f"{prefix} {statement}", parameters)  # type: ignore[arg-type]
        seen.append("\n".join(str(row) for row in plan))

    with engine.begin() as connection:
        append_insights(connection, rows)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("ANALYZE ads_insights"))
            driver = connection.connection.driver_connection
            assert driver is not None
            plain = bulk.copy_query

            def explained(connection: sa.Connection, statement: sa.Select) -> tuple[str, object]:
                query, parameters = plain(connection, statement)
                inner = query.removeprefix("COPY (").split(") TO STDOUT")[0]
                with driver.cursor() as cursor:
                    cursor.execute(f"EXPLAIN {inner}", parameters)
                    seen.append("\n".join(str(row) for row in cursor.fetchall()))
                return query, parameters

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(bulk, "copy_query", explained)
                read_insights(connection, DAY, DAY, [EntityType.CAMPAIGN], [1], as_of=as_of)
        else:

            def record(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
                if "ads_insights" in statement and "EXPLAIN" not in statement:
                    explain(connection, statement, parameters)

            event.listen(connection, "before_cursor_execute", record)
            read_insights(connection, DAY, DAY, [EntityType.CAMPAIGN], [1], as_of=as_of)
    assert len(seen) == 1
    assert "ix_ads_insights_partition" in seen[0]
    assert "Seq Scan" not in seen[0]
    assert "SCAN ads_insights" not in seen[0]
