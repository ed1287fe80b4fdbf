import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.entities import EntityType
from ml_assets.errors import SchemaError, UsageError
from ml_assets.frames import ENTITY_METRICS, ENTITY_VERSIONS, REJECTED_ROWS
from ml_assets.sources.protocol import AccountInfo, Delivery
from ml_assets.storage.accounts import add_account, find_account, update_account
from ml_assets.storage.keys import NAMESPACE, SEPARATOR, row_ids
from ml_assets.storage.reads import (
    read_accounts,
    read_entities,
    read_entity_versions,
    read_insight_versions,
    read_table,
)
from ml_assets.storage.tables import MLEntityMetrics
from ml_assets.storage.writes import (
    append_insights,
    replace_partition,
    store_delivery,
    store_rejected,
    upsert_entities,
)
from ml_assets_tests.storage.frames_of import DAY, READ_AT, entities, entity, frame, insight, insights

HOUR = dt.timedelta(hours=1)
AD = EntityType.AD


def metrics(*rows: dict[str, object]) -> pl.DataFrame:
    key = {"config_id": 1, "entity_type": "ad", "date": DAY, "known_at": READ_AT}
    return frame([{**key, **row} for row in rows], ENTITY_METRICS)


def add(connection: sa.Connection) -> int:
    return add_account(connection, AccountInfo("123", "Acme", "BRL", "America/Sao_Paulo", ("lead",)))


# ------------------------------------------------------------------------------------ partitions


def test_an_id_is_the_uuid5_of_the_natural_key() -> None:
    frame = metrics({"entity_id": "7"})
    expected = uuid.uuid5(NAMESPACE, SEPARATOR.join(["ml_entity_metrics", "1", "ad", "7", "2026-02-02"]))
    assert row_ids(frame, "ml_entity_metrics").to_list() == [str(expected)]


def test_of_two_that_replace_a_partition_at_once_the_second_waits_and_its_rows_stay(
    engine: sa.Engine,
) -> None:
    def replace(connection: sa.Connection, spend: float) -> None:
        rows = metrics(*({"entity_id": name, "spend": spend} for name in ("1", "2")))
        replace_partition(connection, MLEntityMetrics, rows, AD, [DAY], [1])

    def replace_alone(spend: float) -> None:
        with engine.begin() as connection:
            replace(connection, spend)

    replace_alone(1.0)
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            replace(connection, 2.0)
            second = pool.submit(replace_alone, 3.0)
            with pytest.raises(TimeoutError):
                second.result(0.3)
        second.result(10)
    with engine.connect() as connection:
        assert read_table(connection, MLEntityMetrics)["spend"].to_list() == [3.0, 3.0]


def test_a_second_run_leaves_identical_rows(engine: sa.Engine) -> None:
    rows = metrics({"entity_id": "1", "spend": 1.5}, {"entity_id": "2", "spend": None, "leads": 3})
    read: list[pl.DataFrame] = []
    for order in (rows, rows.reverse()):
        with engine.begin() as connection:
            assert replace_partition(connection, MLEntityMetrics, order, AD, [DAY], [1]) == 2
            read.append(read_table(connection, MLEntityMetrics).sort("entity_id"))
    assert_frame_equal(*read)


def test_only_the_rows_that_were_asked_for_are_replaced(engine: sa.Engine) -> None:
    other_day = DAY - dt.timedelta(days=1)
    keep = [
        (metrics({"entity_id": "1", "config_id": 2}), DAY, 2),
        (metrics({"entity_id": "1", "date": other_day}), other_day, 1),
    ]
    with engine.begin() as connection:
        for rows, day, config_id in keep:
            replace_partition(connection, MLEntityMetrics, rows, AD, [day], [config_id])
        both = metrics({"entity_id": "1", "leads": 1}, {"entity_id": "2", "leads": 2})
        replace_partition(connection, MLEntityMetrics, both, AD, [DAY], [1])
        one = metrics({"entity_id": "1", "leads": 5})
        replace_partition(connection, MLEntityMetrics, one, AD, [DAY], [1], entity_ids=["1"])
        assert read_table(connection, MLEntityMetrics, DAY, DAY, config_ids=[1])[
            "leads"
        ].sort().to_list() == [2, 5]
        replace_partition(connection, MLEntityMetrics, metrics().clear(), AD, [DAY], [1])
        assert read_table(connection, MLEntityMetrics).height == 2


def test_rows_outside_of_the_partition_and_unknown_columns_are_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        with pytest.raises(UsageError, match="outside of the partition"):
            replace_partition(
                connection, MLEntityMetrics, metrics({"entity_id": "1"}), EntityType.ADSET, [DAY], [1]
            )
        with pytest.raises(SchemaError, match="no column colour"):
            replace_partition(
                connection,
                MLEntityMetrics,
                metrics({"entity_id": "1"}).with_columns(colour=1),
                AD,
                [DAY],
                [1],
            )


# -------------------------------------------------------------------------------------- insights


def test_a_version_is_added_only_where_a_figure_changed_down_too(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        assert append_insights(connection, insights(insight(), insight("2"))) == (2, 0)
        assert append_insights(connection, insights(insight(), insight("2"))) == (0, 2)
        later = READ_AT + HOUR
        restated = insights(insight(known_at=later, leads=1), insight("2", known_at=later))
        assert append_insights(connection, restated) == (1, 1)
        assert append_insights(connection, restated) == (0, 2)
        back = insights(insight(known_at=later + HOUR, leads=2))
        assert append_insights(connection, back) == (1, 0)
        found = (
            read_insight_versions(connection, DAY, DAY).filter(pl.col("entity_id") == "1").sort("known_at")
        )
    assert found["leads"].to_list() == [2, 1, 2]


def test_several_versions_in_one_frame_count_in_order_of_reading(engine: sa.Engine) -> None:
    versions = [insight(known_at=READ_AT + n * HOUR, leads=leads) for n, leads in enumerate((1, 1, 2, 2, 1))]
    with engine.begin() as connection:
        assert append_insights(connection, insights(*reversed(versions))) == (3, 2)
        assert append_insights(connection, insights(*versions)) == (0, 5)


def test_an_older_reading_that_arrives_late_is_kept_where_it_belongs(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        append_insights(connection, insights(insight(leads=5)))
        assert append_insights(connection, insights(insight(leads=3, known_at=READ_AT - HOUR))) == (1, 0)
        found = read_insight_versions(connection, DAY, DAY).sort("known_at")
    assert found["leads"].to_list() == [3, 5]


def test_a_different_figure_of_the_same_moment_is_not_lost_and_not_stored_twice(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        append_insights(connection, insights(insight(leads=1)))
        assert append_insights(connection, insights(insight(leads=2))) == (1, 0)
        assert append_insights(connection, insights(insight(leads=2))) == (0, 1)
        assert read_insight_versions(connection, DAY, DAY).sort("known_at")["leads"].to_list() == [1, 2]


def test_insights_without_a_key_are_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection, pytest.raises(SchemaError, match="without entity_id"):
        append_insights(connection, insights(insight(entity_id=None)))  # type: ignore[arg-type]


# -------------------------------------------------------------------------------------- entities


def test_what_a_source_does_not_say_does_not_erase_what_is_known(engine: sa.Engine) -> None:
    first = entities(
        entity("adset", "s", "c", name="A", status="ACTIVE", daily_budget=10.0, targeting='{"age_min": 18}')
    )
    with engine.begin() as connection:
        add(connection)
        assert upsert_entities(connection, first, READ_AT) == (1, 0, 1)
        assert upsert_entities(connection, first, READ_AT + HOUR) == (0, 0, 0)
        renamed = entities(entity("adset", "s", None, name="B"))
        assert upsert_entities(connection, renamed, READ_AT + HOUR) == (0, 1, 0)
        paused = entities(entity("adset", "s", status="PAUSED"))
        assert upsert_entities(connection, paused, READ_AT + 2 * HOUR) == (0, 1, 1)
        row = read_entities(connection).row(0, named=True)
        versions = read_entity_versions(connection)
    assert (row["name"], row["parent_id"], row["daily_budget"], row["status"]) == ("B", "c", 10.0, "PAUSED")
    assert versions["known_at"].to_list() == [READ_AT, READ_AT + 2 * HOUR]
    assert versions["fields"].str.json_path_match("$.status").to_list() == ["ACTIVE", "PAUSED"]


def test_a_delivery_is_stored_whole_and_twice_changes_nothing(engine: sa.Engine) -> None:
    versions = [
        {
            "entity_type": "campaign",
            "entity_id": "c",
            "known_at": READ_AT - HOUR,
            "fields": '{"status": "ACTIVE", "daily_budget": 5}',
        }
    ]
    delivery = Delivery(
        entities=entities(entity("campaign", "c", status="ACTIVE", daily_budget=5.0)),
        entity_versions=frame(versions, ENTITY_VERSIONS),
        insights=insights(insight()),
        rejected=frame(
            [{"source": "a.csv", "line": 3, "raw": '{"a": 1}', "reason": "no date"}], REJECTED_ROWS
        ),
    )
    with engine.begin() as connection:
        config_id = add(connection)
        first = store_delivery(connection, config_id, delivery, READ_AT)
        again = store_delivery(connection, config_id, delivery, READ_AT)
    # The campaign is as its own history says: no version is added for it.
    assert (first.insights, first.entities, first.entity_versions, first.rejected) == (
        (1, 0),
        (1, 0, 0),
        (1, 0),
        1,
    )
    assert (again.insights, again.entities, again.entity_versions, again.rejected) == (
        (0, 1),
        (0, 0, 0),
        (0, 1),
        0,
    )


def test_the_same_line_for_the_same_reason_is_kept_once(engine: sa.Engine) -> None:
    row = {"config_id": None, "source": "a.csv", "line": 1, "raw": "{}", "reason": "x"}
    with engine.begin() as connection:
        assert store_rejected(connection, frame([row, row], REJECTED_ROWS)) == 1
        assert store_rejected(connection, frame([row, {**row, "line": 2}], REJECTED_ROWS)) == 1


# -------------------------------------------------------------------------------------- accounts


def test_an_account_is_added_once_and_found_with_or_without_metas_prefix(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO ads_accounts (config_id, account_id) VALUES (5, 'x')"))
        config_id = add(connection)
        assert config_id == 6
        assert find_account(connection, "act_123") == find_account(connection, "123") == config_id
        assert find_account(connection, "9") is None
        with pytest.raises(UsageError, match="there already with config_id 6"):
            add(connection)
        connection.execute(sa.text("INSERT INTO ads_accounts (account_id) VALUES ('y')"))
        assert find_account(connection, "y") == 7


def test_settings_are_checked_and_changed(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        config_id = add(connection)
        update_account(connection, config_id, target_cpl=12.5, currency="usd", conversion_actions=["a", "b"])
        update_account(connection, config_id, is_active=False, name=None)
        row = read_accounts(connection, active_only=False).row(0, named=True)
        assert read_accounts(connection).is_empty()
    assert (row["target_cpl"], row["currency"], row["conversion_actions"]) == (12.5, "USD", ["a", "b"])
    assert (row["timezone"], row["name"]) == ("America/Sao_Paulo", None)


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("currency", "R$", "three letters"),
        ("timezone", "Brasilia", "IANA name"),
        ("target_cpl", 0, "above 0"),
        ("monthly_budget", "nan", "above 0"),
        ("conversion_actions", [], "at least one"),
        ("colour", "red", "no setting colour"),
    ],
)
def test_a_setting_that_cannot_be_right_is_refused(
    engine: sa.Engine, setting: str, value: object, sentence: str
) -> None:
    with engine.begin() as connection:
        config_id = add(connection)
        with pytest.raises(UsageError, match=sentence):
            update_account(connection, config_id, **{setting: value})
        with pytest.raises(UsageError, match="no account with config_id 99"):
            update_account(connection, 99, name="x")
