"""Runs that read from Meta wait for each other in the queue, under the embedded instance."""

import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from ml_assets.defs.assets.insights import insights
from ml_assets.defs.instance import DEFAULT_CONFIG
from ml_assets.entities import LEVELS
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets_tests.defs.conftest import add_synthetic_account
from ml_assets_tests.defs.daemon import backfill, served


def test_what_reads_from_meta_is_in_the_pool() -> None:
    assert insights.op.pool == "meta_api"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources` is deprecated")
def test_three_levels_of_a_backfill_read_from_meta_one_after_the_other(
    tmp_path: Path,
    sqlite_url: str,
    small_source: dict[str, Any],
    last_day: dt.date,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ML_ASSETS_DATABASE_URL", sqlite_url)
    settings.cache_clear()
    engine = create_engine(sqlite_url)
    add_synthetic_account(engine, small_source)
    engine.dispose()
    config = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    config["code_servers"] = {"wait_for_local_processes_on_shutdown": True}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config))
    with (
        dg.DagsterInstance.from_config(str(tmp_path)) as instance,
        served("ml_assets.definitions", instance) as context,
    ):
        # Days that make no rectangle with the levels, so that it takes a run for each.
        keys = [f"{last_day - dt.timedelta(days=back)}|{level}" for back, level in enumerate(LEVELS)]
        ended = backfill(context, ["insights"], keys)
        assert ended.status.value == "COMPLETED_SUCCESS"
        records = sorted(instance.get_run_records(), key=lambda record: record.start_time or 0.0)
        assert len(records) == len(LEVELS)
        for earlier, later in pairwise(records):
            assert earlier.end_time is not None
            assert later.start_time is not None
            assert earlier.end_time <= later.start_time
