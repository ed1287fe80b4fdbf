"""Runs that are killed while they write a partition, and runs of the same partition at the same time."""

import datetime as dt
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from ml_assets.defs.backfill import ASSET_NAMES
from ml_assets.entities import EntityType
from ml_assets.frames import ENTITIES, INSIGHTS
from ml_assets.sources.protocol import AccountInfo, Delivery
from ml_assets.storage.accounts import add_account
from ml_assets.storage.tables import Base
from ml_assets.storage.writes import store_delivery
from ml_assets_tests.defs.conftest import Materialize, failure_of
from ml_assets_tests.defs.interruptions import Run, Work
from ml_assets_tests.features.frames_made import figures, frame, small_tree

pytestmark = pytest.mark.slow

HISTORY_DAYS = 40
BAD_DAYS = 3
TABLES = {
    "entity_metrics": ("ml_entity_metrics",),
    "features": ("ml_features",),
    "classifications": ("ml_classifications",),
    "anomalies": ("ml_anomalies", "ml_incident_days", "ml_incidents"),
    "forecasts": ("ml_forecasts", "ml_forecast_points"),
    "recommendations": ("ml_recommendations",),
}
"""Asset -> its tables, first the one of its partitions."""

LEVEL_OF = {"anomalies": EntityType.CAMPAIGN}
"""The level whose partition is written, where it is not the ads: incidents are of campaigns and above."""

IN_WAITING = 2.0
"""Seconds in which a run gets to the rows that another holds; it waits there for up to 30."""

UNLIKE = ("created_at",)
"""Columns that say when a row was written."""


class World:
    """An account of which a day is materialized, and what is stored of it."""

    def __init__(self, engine: sa.Engine, url: str, home: Path, day: dt.date) -> None:
        self.engine = engine
        self.url = url
        self.home = home
        self.day = day

    def run(self, asset: str, *, held: bool = False) -> Run:
        """Start a run of the partition of the day in a process of its own."""
        work = Work(self.url, self.home, asset, self.day, LEVEL_OF.get(asset, EntityType.AD))
        return Run(work, TABLES[asset][0] if held else None)

    def rows(self, asset: str) -> dict[str, list[tuple[object, ...]]]:
        """All rows of the tables of an asset, sorted."""
        found: dict[str, list[tuple[object, ...]]] = {}
        with self.engine.connect() as connection:
            for name in TABLES[asset]:
                columns = [column for column in Base.metadata.tables[name].c if column.name not in UNLIKE]
                rows = connection.execute(sa.select(*columns)).all()
                found[name] = sorted((tuple(row) for row in rows), key=repr)
        return found

    def lose_a_row(self, asset: str) -> None:
        """Leave one row fewer in each table of the partition: what an earlier run, knowing less, wrote."""
        level = LEVEL_OF.get(asset, EntityType.AD).value
        with self.engine.begin() as connection:
            for name in reversed(TABLES[asset]):
                table = Base.metadata.tables[name]
                of_level = Base.metadata.tables["ml_forecasts" if name == "ml_forecast_points" else name]
                lost = connection.scalar(
                    sa.select(sa.func.min(of_level.c.id)).where(of_level.c.entity_type == level)
                )
                key = table.c["forecast_id" if name == "ml_forecast_points" else "id"]
                assert connection.execute(sa.delete(table).where(key == lost)).rowcount, name


@pytest.fixture
def world(
    engine: sa.Engine,
    database_url: str,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    last_day: dt.date,
) -> World:
    """An account of one campaign that stopped and one whose ad `a1` brings no lead any more."""
    deliver(engine, last_day)
    made = World(engine, database_url, tmp_path / "dagster", last_day)
    result = Materialize(instance, database_url)(ASSET_NAMES[1:], last_day)
    assert result.success, failure_of(result)
    return made


def deliver(engine: sa.Engine, last_day: dt.date) -> None:
    known_at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    tree = small_tree(ads=5)
    rows = [
        figures("ad", ad["entity_id"], day, known_at=known_at, **figures_of(ad["entity_id"], back))
        for ad in tree
        if ad["entity_type"] == "ad"
        for back in range(HISTORY_DAYS)
        for day in [last_day - dt.timedelta(days=back)]
    ]
    info = AccountInfo("42", "Clinic", currency="BRL", timezone="UTC", target_cpl=10.0)
    delivery = Delivery(entities=frame(tree, ENTITIES), insights=frame(rows, INSIGHTS))
    with engine.begin() as connection:
        config_id = add_account(connection, info)
        store_delivery(connection, config_id, delivery, known_at - dt.timedelta(days=HISTORY_DAYS + 5))


def figures_of(ad: str, back: int) -> dict[str, Any]:
    """Ten ads with steady figures, of which on the last days all get dear but for the first of each adset."""
    if back >= BAD_DAYS:
        return {"spend": 20.0, "impressions": 1000, "clicks": 100, "leads": 5}
    return {"spend": 60.0, "impressions": 1000, "clicks": 20, "leads": 0 if ad == "a1" else 1}


def test_a_killed_run_leaves_the_old_rows_and_its_retry_those_of_an_undisturbed_one(world: World) -> None:
    for asset, (table, *_) in TABLES.items():
        undisturbed = world.rows(asset)
        world.lose_a_row(asset)
        old = world.rows(asset)
        killed = world.run(asset, held=True)
        assert killed.at_commit() == len(undisturbed[table]), asset  # everything was written
        killed.kill()
        assert world.rows(asset) == old, asset
        assert world.run(asset).succeeded(), asset
        assert world.rows(asset) == undisturbed, asset


def test_two_runs_of_a_partition_at_once_both_succeed_and_leave_the_rows_of_one(world: World) -> None:
    for asset, (table, *_) in TABLES.items():
        undisturbed = world.rows(asset)
        world.lose_a_row(asset)
        first = world.run(asset, held=True)
        assert first.at_commit() == len(undisturbed[table]), asset
        second = world.run(asset)
        assert second.is_running(IN_WAITING), asset
        first.go_on()
        assert first.succeeded(), asset
        assert second.succeeded(), asset
        assert world.rows(asset) == undisturbed, asset
