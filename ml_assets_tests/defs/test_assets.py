"""The assets on a real instance and real databases: what they write, report and refuse."""

import datetime as dt
from typing import Any

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.storage.accounts import update_account
from ml_assets.storage.reads import read_table
from ml_assets.storage.tables import MLClassification, MLEntityMetrics, MLFeatures
from ml_assets_tests.defs.conftest import Materialize, failure_of, metadata_of

CHAIN = ("insights", "entity_metrics", "features", "classifications")
VOLATILE = {"classified_at"}


def rows(engine: sa.Engine, model: Any, key: str) -> pl.DataFrame:
    with engine.connect() as connection:
        frame = read_table(connection, model)
    return frame.drop(VOLATILE, strict=False).sort(key, "config_id", "entity_type", "entity_id")


@pytest.mark.usefixtures("account")
def test_a_range_of_all_levels_fills_every_partition_and_reports_each(
    materialize: Materialize, engine: sa.Engine, last_day: dt.date
) -> None:
    start = last_day - dt.timedelta(days=2)
    result = materialize(CHAIN, start, last_day)
    assert result.success
    for asset in CHAIN:
        assert len(result.asset_materializations_for_node(asset)) == 9
    found = metadata_of(result, "entity_metrics", f"{last_day}|ad")
    assert found["dagster/partition_row_count"] == 8
    assert found["spend"] > 0
    assert "| name | entity_id |" in found["preview"]
    with engine.connect() as connection:
        metrics = read_table(connection, MLEntityMetrics, last_day, last_day, [EntityType.AD])
    assert found["spend"] == pytest.approx(metrics["spend"].sum())
    tiers = metadata_of(result, "classifications", f"{last_day}|campaign")
    named = ["high_performer", "moderate", "low", "underperformer", "insufficient_data", "without_tier"]
    assert sum(tiers[name] for name in named) == tiers["entities"] == 2


@pytest.mark.usefixtures("account")
def test_a_single_partition_carries_the_column_schema(materialize: Materialize, last_day: dt.date) -> None:
    assert materialize("insights", last_day, levels=[EntityType.AD]).success
    result = materialize("features", last_day, levels=[EntityType.AD])
    found = metadata_of(result, "features", f"{last_day}|ad")
    columns = {column.name: column.description for column in found["dagster/column_schema"].columns}
    assert "account currency" in columns["spend_7d"]
    assert found["dagster/table_name"] == "ml_features"
    assert found["dagster/row_count"] == found["dagster/partition_row_count"] == 8


@pytest.mark.usefixtures("account")
def test_a_second_run_leaves_the_same_rows(
    materialize: Materialize, engine: sa.Engine, last_day: dt.date
) -> None:
    assert materialize(CHAIN, last_day).success
    before = [rows(engine, model, "id") for model in (MLEntityMetrics, MLFeatures, MLClassification)]
    assert materialize(CHAIN, last_day).success
    after = [rows(engine, model, "id") for model in (MLEntityMetrics, MLFeatures, MLClassification)]
    for first, second in zip(before, after, strict=True):
        assert first.equals(second)


@pytest.mark.usefixtures("account")
def test_any_order_of_days_gives_the_same_rows_with_or_without_entity_metrics(
    materialize: Materialize, engine: sa.Engine, last_day: dt.date
) -> None:
    first = last_day - dt.timedelta(days=50)
    day_before = last_day - dt.timedelta(days=1)
    judged = ("features", "classifications")
    assert materialize("insights", first, last_day).success
    backwards = [materialize(judged, day) for day in (last_day, day_before)]
    conformed = metadata_of(backwards[0], "features", f"{last_day}|ad")["days_conformed_from_insights"]
    assert conformed == 51
    before = [rows(engine, model, "id") for model in (MLFeatures, MLClassification)]

    assert materialize("entity_metrics", first, last_day).success
    forwards = materialize(judged, day_before, last_day)
    found = metadata_of(forwards, "features", f"{last_day}|ad")
    assert found["days_conformed_from_insights"] == 0
    after = [rows(engine, model, "id") for model in (MLFeatures, MLClassification)]
    for one, other in zip(before, after, strict=True):
        assert one.equals(other)


@pytest.mark.usefixtures("account")
def test_a_partition_before_the_first_data_has_no_rows_and_says_so(
    materialize: Materialize, last_day: dt.date
) -> None:
    long_ago = last_day - dt.timedelta(days=400)
    result = materialize(CHAIN, long_ago, levels=[EntityType.CAMPAIGN])
    assert result.success
    for asset in CHAIN:
        found = metadata_of(result, asset, f"{long_ago}|campaign")
        assert found["dagster/partition_row_count"] == 0
        assert "there are no rows" in found["notes"]


def test_without_an_account_the_failure_says_how_to_add_one(
    materialize: Materialize, last_day: dt.date
) -> None:
    for asset in CHAIN:
        failure = failure_of(materialize(asset, last_day, levels=[EntityType.AD]))
        assert "`ml-assets ingest export FILE`" in failure


def test_a_database_without_tables_names_the_command(
    instance: dg.DagsterInstance, empty_database_url: str, last_day: dt.date
) -> None:
    failure = failure_of(Materialize(instance, empty_database_url)("insights", last_day))
    assert "`ml-assets db upgrade`" in failure


@pytest.mark.usefixtures("account")
def test_a_day_that_is_not_over_is_not_judged(materialize: Materialize) -> None:
    today = dt.datetime.now(dt.UTC).date()
    for asset in ("features", "classifications", "recommendations"):
        failure = failure_of(materialize(asset, today, levels=[EntityType.CAMPAIGN]))
        assert f"{today} is not over yet" in failure


@pytest.mark.usefixtures("account")
def test_a_restricted_run_replaces_only_its_rows_and_is_tagged(
    materialize: Materialize, engine: sa.Engine, instance: dg.DagsterInstance, last_day: dt.date
) -> None:
    assert materialize(CHAIN, last_day, levels=LEVELS).success
    before = rows(engine, MLFeatures, "id")
    entity_id = before.filter(pl.col("entity_type") == "ad")["entity_id"][0]
    config = {"ops": {"features": {"config": {"entity_ids": [entity_id]}}}}
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ml_features SET spend_7d = -1"))
    result = materialize("features", last_day, levels=[EntityType.AD], run_config=config)
    assert result.success
    after = rows(engine, MLFeatures, "id")
    renewed = after.filter(pl.col("spend_7d") != -1)
    assert renewed["entity_id"].to_list() == [entity_id]
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    assert run.tags["restricted"] == "true"


@pytest.mark.usefixtures("account")
def test_a_restricted_run_is_refused_where_the_partition_was_never_complete(
    materialize: Materialize, last_day: dt.date
) -> None:
    config = {"ops": {"entity_metrics": {"config": {"entity_ids": ["1"]}}}}
    failure = failure_of(materialize("entity_metrics", last_day, levels=[EntityType.AD], run_config=config))
    assert "was never complete" in failure


def test_an_unknown_account_in_the_run_config_is_named(
    materialize: Materialize, account: int, last_day: dt.date
) -> None:
    assert materialize("insights", last_day, levels=[EntityType.AD]).success
    config = {"ops": {"insights": {"config": {"config_ids": [account + 1]}}}}
    failure = failure_of(materialize("insights", last_day, levels=[EntityType.AD], run_config=config))
    assert f"no active account with config_id {account + 1}" in failure


def test_an_account_fed_from_outside_is_reported_as_it_stands(
    materialize: Materialize, engine: sa.Engine, account: int, last_day: dt.date
) -> None:
    assert materialize("insights", last_day).success
    with engine.begin() as connection:
        update_account(connection, account, source=None)
    result = materialize("insights", last_day)
    found = metadata_of(result, "insights", f"{last_day}|ad")
    assert found["accounts_pulled"] == 0
    assert found["dagster/partition_row_count"] == 8
