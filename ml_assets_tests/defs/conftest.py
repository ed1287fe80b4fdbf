"""A small synthetic account on both databases, and a real Dagster instance on a folder of its own."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from ml_assets.defs.backfill import ASSETS
from ml_assets.defs.resources import DatabaseResource
from ml_assets.entities import LEVELS, EntityType
from ml_assets.sources.synthetic import SyntheticSource
from ml_assets.storage.accounts import add_account

DAYS = 60


@pytest.fixture(scope="session")
def last_day() -> dt.date:
    """The last day of the synthetic account: over everywhere on Earth."""
    return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=3)


@pytest.fixture
def small_source(last_day: dt.date) -> dict[str, Any]:
    return {
        "kind": "synthetic",
        "seed": 3,
        "campaigns": 2,
        "adsets": 4,
        "ads": 8,
        "days": DAYS,
        "end": last_day.isoformat(),
    }


@pytest.fixture
def account(engine: sa.Engine, small_source: dict[str, Any]) -> int:
    """The config_id of a small account whose insights the asset pulls."""
    return add_synthetic_account(engine, small_source)


def add_synthetic_account(engine: sa.Engine, source: dict[str, Any]) -> int:
    with engine.begin() as connection:
        return add_account(connection, SyntheticSource.from_config(source).account(), source)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A real instance: SQLite files in a folder."""
    home = tmp_path / "dagster"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as made:
        yield made


class Materialize:
    """Runs assets in this process as the UI's "launch run" does."""

    def __init__(self, instance: dg.DagsterInstance, url: str) -> None:
        self.instance = instance
        self.job = dg.Definitions(
            assets=ASSETS, resources={"database": DatabaseResource(url=url)}
        ).resolve_implicit_global_asset_job_def()

    def __call__(
        self,
        assets: str | Sequence[str],
        start: dt.date,
        end: dt.date | None = None,
        levels: Sequence[EntityType] = LEVELS,
        run_config: dict[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        names = [assets] if isinstance(assets, str) else assets
        chosen: dict[str, Any] = {"asset_selection": [dg.AssetKey(name) for name in names]}
        if end is None and len(levels) == 1:
            chosen["partition_key"] = f"{start}|{levels[0]}"
        else:
            chosen["tags"] = {
                "dagster/asset_partition_range_start": f"{start}|{levels[0]}",
                "dagster/asset_partition_range_end": f"{end or start}|{levels[-1]}",
            }
        return self.job.execute_in_process(
            instance=self.instance, raise_on_error=False, run_config=run_config or {}, **chosen
        )


@pytest.fixture
def materialize(instance: dg.DagsterInstance, database_url: str) -> Materialize:
    return Materialize(instance, database_url)


def metadata_of(result: dg.ExecuteInProcessResult, asset: str, key: str) -> dict[str, Any]:
    """Metadata values of one partition's materialization."""
    for event in result.asset_materializations_for_node(asset):
        if event.partition == key:
            return {name: value.value for name, value in event.metadata.items()}
    raise AssertionError(f"{asset} has no materialization of {key}")


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """What a person reads in the UI of a run that failed."""
    assert not result.success
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.user_failure_data:
            return event.step_failure_data.user_failure_data.description or ""
    raise AssertionError([e.event_specific_data for e in result.all_events if e.is_failure])
