"""Checks in real runs: a broken day stops what rests on it, for its account, or its level and date, alone."""

import datetime as dt
from collections.abc import Callable, Sequence

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.checks.verdicts import FIGURE_CHECKS
from ml_assets.defs.backfill import ASSETS, RunSummary, run_range
from ml_assets.defs.checks import ALL_CHECKS, FRESHNESS_CHECKS, entity_metrics_checks
from ml_assets.defs.checks.standing import failed_blocking_checks
from ml_assets.defs.resources import DatabaseResource
from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import RunFailedError
from ml_assets.frames import ENTITIES, INSIGHTS
from ml_assets.sources.protocol import AccountInfo, Delivery
from ml_assets.storage.accounts import add_account
from ml_assets.storage.reads import read_table
from ml_assets.storage.tables import MLEntityMetrics, MLRecommendation
from ml_assets.storage.writes import store_delivery
from ml_assets_tests.defs.conftest import Materialize, failure_of, metadata_of
from ml_assets_tests.features.frames_made import figures, frame, small_tree

FIGURES = dg.AssetKey("entity_metrics")
JUDGED = ("entity_metrics", "features", "classifications", "recommendations")
HISTORY_DAYS = 35
BAD_DAYS = 5

Evaluations = dict[tuple[str, str | None], dg.AssetCheckEvaluation]


@pytest.fixture
def yesterday() -> dt.date:
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)


@pytest.fixture
def accounts(engine: sa.Engine, yesterday: dt.date) -> list[int]:
    """Two accounts alike, fed from outside: an ad that spends most and brings no lead is to be paused."""
    days = [yesterday - dt.timedelta(days=back) for back in range(HISTORY_DAYS)]
    known_at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    made: list[int] = []
    for name in ("Clinic", "Dentist"):
        with engine.begin() as connection:
            info = AccountInfo(name, name, currency="BRL", timezone="UTC", target_cpl=10.0)
            config_id = add_account(connection, info)
            tree = small_tree(config_id, ads=5)
            rows = [
                figures(
                    "ad",
                    ad["entity_id"],
                    day,
                    config_id=config_id,
                    known_at=known_at,
                    **(
                        {"spend": 60.0, "leads": 0}
                        if ad["entity_id"] == "a1" and day in days[:BAD_DAYS]
                        else {}
                    ),
                )
                for ad in tree
                if ad["entity_type"] == "ad"
                for day in days
            ]
            delivery = Delivery(entities=frame(tree, ENTITIES), insights=frame(rows, INSIGHTS))
            store_delivery(connection, config_id, delivery, known_at - dt.timedelta(days=HISTORY_DAYS))
            made.append(config_id)
    return made


class Checked(Materialize):
    """Runs assets together with their checks, as the code location does."""

    def __init__(self, instance: dg.DagsterInstance, url: str) -> None:
        super().__init__(instance, url)
        definitions = dg.Definitions(
            assets=ASSETS,
            asset_checks=ALL_CHECKS,
            resources={"database": DatabaseResource(url=url)},
            jobs=[
                dg.define_asset_job("figures_checked", dg.AssetSelection.checks(entity_metrics_checks)),
                dg.define_asset_job("freshness", dg.AssetSelection.checks(*FRESHNESS_CHECKS)),
            ],
        )
        self.job = definitions.resolve_implicit_global_asset_job_def()
        self.figures_checked = definitions.resolve_job_def("figures_checked")
        self.freshness = definitions.resolve_job_def("freshness")

    def check(self, start: dt.date, end: dt.date, levels: Sequence[EntityType] = LEVELS) -> Evaluations:
        """Only the checks of entity metrics: (check, partition) -> what it says."""
        result = self.figures_checked.execute_in_process(
            instance=self.instance,
            tags={
                "dagster/asset_partition_range_start": f"{start}|{levels[0]}",
                "dagster/asset_partition_range_end": f"{end}|{levels[-1]}",
            },
        )
        return evaluations(result)


def evaluations(result: dg.ExecuteInProcessResult) -> Evaluations:
    """(check, partition) -> what it says; partition None: the whole run of several partitions."""
    return {(told.check_name, told.partition): told for told in result.get_asset_check_evaluations()}


@pytest.fixture
def checked(instance: dg.DagsterInstance, database_url: str) -> Checked:
    return Checked(instance, database_url)


Break = Callable[..., None]


@pytest.fixture
def break_row(engine: sa.Engine, yesterday: dt.date) -> Break:
    """Changes the stored figures of an entity of yesterday."""

    def change(config_id: int, level: str, entity_id: str, **values: object) -> None:
        with engine.begin() as connection:
            connection.execute(
                sa.update(MLEntityMetrics)
                .where(
                    MLEntityMetrics.config_id == config_id,
                    MLEntityMetrics.entity_type == level,
                    MLEntityMetrics.entity_id == entity_id,
                    MLEntityMetrics.date == yesterday,
                )
                .values(**values)
            )

    return change


def advised(engine: sa.Engine) -> pl.DataFrame:
    with engine.connect() as connection:
        return read_table(connection, MLRecommendation).sort("id")


def test_a_broken_account_is_held_back_and_when_all_are_the_level_and_date_alone_refuse(
    engine: sa.Engine,
    instance: dg.DagsterInstance,
    accounts: list[int],
    yesterday: dt.date,
    checked: Checked,
    break_row: Break,
) -> None:
    first, second = accounts
    before = yesterday - dt.timedelta(days=1)
    whole = checked(JUDGED, before, yesterday)
    assert whole.success
    told = evaluations(whole)
    assert not [key for key, found in told.items() if not found.passed]
    assert {name for name, _ in told} >= {*FIGURE_CHECKS, "features_finite", "guards_hold", "ad_fresh"}
    keys = [f"{day}|{level}" for day in (before, yesterday) for level in LEVELS]
    assert failed_blocking_checks(instance, FIGURES, keys) == []

    # One account breaks: nobody is stopped, its advice is held back.
    break_row(first, "ad", "a1", leads=-4)
    told = checked.check(before, yesterday)
    assert told["within_bounds", None].passed
    assert told["within_bounds", None].metadata["accounts_failed"].value == 1
    assert "its leads is negative" in str(told["within_bounds", None].metadata["failed_accounts"].value)
    assert failed_blocking_checks(instance, FIGURES, keys) == []
    assert checked("recommendations", before, yesterday).success
    pauses = advised(engine).filter(
        pl.col("entity_id") == "a1",
        pl.col("recommendation_type") == "PAUSE",
        pl.col("recommendation_date") == yesterday,
    )
    assert dict(pauses.select("config_id", "blocked_by").iter_rows()) == {
        first: "data_quality",
        second: None,
    }

    # All accounts break: the level refuses on that date, other levels and dates go on.
    break_row(second, "ad", "b1", leads=-1)
    told = checked.check(before, yesterday)
    broken = f"{yesterday}|ad"
    assert not told["within_bounds", None].passed
    assert told["within_bounds", None].severity == dg.AssetCheckSeverity.WARN
    assert not told["within_bounds", broken].passed
    assert {partition for _, partition in told} == {None, broken}
    standing = failed_blocking_checks(instance, FIGURES, keys)
    assert {(key, name) for key, name, _ in standing} == {
        (broken, "within_bounds"),
        (broken, "levels_reconcile"),
    }
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE ml_recommendations SET title = 'as it was'"))
    failure = failure_of(checked("recommendations", yesterday, levels=[EntityType.AD]))
    assert f"Nothing is recommended for {broken}: the check within_bounds of entity_metrics failed" in failure
    assert "its leads is negative" in failure
    ranged = checked("recommendations", before, yesterday)
    assert ranged.success
    refused = metadata_of(ranged, "recommendations", broken)
    assert "within_bounds" in refused["refused"]
    assert f"{broken} is left out and stays as it was" in refused["notes"]
    kept = advised(engine).filter(pl.col("title") == "as it was")
    assert set(kept.select("recommendation_date", "entity_type").iter_rows()) == {(yesterday, "ad")}

    # A new materialization clears it, in a run of one partition or of several.
    assert checked("entity_metrics", before, yesterday).success
    assert failed_blocking_checks(instance, FIGURES, keys) == []
    assert checked("recommendations", yesterday, levels=[EntityType.AD]).success
    assert advised(engine).filter(pl.col("title") == "as it was").is_empty()


def test_a_failure_that_was_mended_in_the_table_is_cleared_by_the_check_itself(
    instance: dg.DagsterInstance,
    accounts: list[int],
    yesterday: dt.date,
    checked: Checked,
    break_row: Break,
) -> None:
    before = yesterday - dt.timedelta(days=1)
    assert checked("entity_metrics", before, yesterday).success
    for config_id in accounts:
        break_row(config_id, "adset", "s1", parent_id="gone", spend=1e6)
    told = checked.check(before, yesterday)
    key = f"{yesterday}|adset"
    assert not told["no_orphans", key].passed
    assert not told["levels_reconcile", key].passed
    found = {name: text for _, name, text in failed_blocking_checks(instance, FIGURES, [key])}
    assert "adset s1 lies under gone, which is not there" in found["no_orphans"]
    for config_id in accounts:
        break_row(config_id, "adset", "s1", parent_id="c1", spend=140.0)
    told = checked.check(before, yesterday)
    assert told["no_orphans", key].passed
    assert failed_blocking_checks(instance, FIGURES, [key]) == []


def test_a_row_that_was_written_twice_fails(
    engine: sa.Engine, accounts: list[int], yesterday: dt.date, checked: Checked
) -> None:
    """Databases forbid it as long as the key is there, and midnight is written like the day."""
    assert checked("entity_metrics", yesterday).success
    day = "date || ' 00:00:00'" if engine.dialect.name == "sqlite" else "date"
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(
                sa.text("ALTER TABLE ml_entity_metrics DROP CONSTRAINT uq_ml_entity_metrics_key")
            )
        connection.execute(
            sa.text(
                "INSERT INTO ml_entity_metrics (id, config_id, entity_type, entity_id, parent_id, date, "
                "known_at, delivered_level, spend) SELECT 'twice', config_id, entity_type, entity_id, "
                f"parent_id, {day}, known_at, delivered_level, 0 FROM ml_entity_metrics "
                f"WHERE config_id = {accounts[0]} AND entity_id = 'a1'"
            )
        )
    told = checked.check(yesterday, yesterday, [EntityType.AD])
    key = f"{yesterday}|ad"
    assert told["keys_unique", key].passed  # the other account goes on
    assert "a1 has 2 rows on one day" in str(told["keys_unique", key].metadata["failed_accounts"].value)


def test_each_level_is_as_fresh_as_its_own_newest_date(
    instance: dg.DagsterInstance, accounts: list[int], yesterday: dt.date, checked: Checked
) -> None:
    assert accounts
    before = yesterday - dt.timedelta(days=1)
    assert checked("entity_metrics", before, levels=[EntityType.AD]).success
    assert checked("entity_metrics", yesterday, levels=[EntityType.CAMPAIGN]).success
    told = {
        found.check_name: found
        for found in checked.freshness.execute_in_process(instance=instance).get_asset_check_evaluations()
        if found.asset_key == FIGURES
    }
    assert {name: found.passed for name, found in told.items()} == {
        "campaign_fresh": True,
        "adset_fresh": False,
        "ad_fresh": False,
    }
    assert told["ad_fresh"].metadata["days_late"].value == 1
    assert "never materialized" in (told["adset_fresh"].description or "")


def test_a_backfill_in_this_process_is_checked_as_runs_of_the_ui_are(
    instance: dg.DagsterInstance,
    accounts: list[int],
    yesterday: dt.date,
    break_row: Break,
    checked: Checked,
    database_url: str,
) -> None:
    before = yesterday - dt.timedelta(days=1)

    def run(*assets: str) -> RunSummary:
        return run_range(
            before, yesterday, [EntityType.CAMPAIGN], assets, instance=instance, database_url=database_url
        )

    run("entity_metrics", "features", "classifications")
    key = dg.AssetCheckKey(FIGURES, "within_bounds")
    record = instance.get_latest_asset_check_evaluation_record(key)
    assert record is not None
    assert record.evaluation is not None
    assert record.evaluation.passed
    for config_id in accounts:
        break_row(config_id, "campaign", "c1", spend=-5.0)
    checked.check(yesterday, yesterday, [EntityType.CAMPAIGN])
    checked.check(before, before, [EntityType.CAMPAIGN])
    assert run("recommendations").materialized == {"recommendations": 2}
    with pytest.raises(RunFailedError, match=f"Nothing is recommended for {yesterday}"):
        run_range(
            yesterday,
            yesterday,
            [EntityType.CAMPAIGN],
            ["recommendations"],
            instance=instance,
            database_url=database_url,
        )
