"""A real backfill of several levels, through the daemons' own code, with runs in processes of their own."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ml_assets.defs.assets.anomalies import anomalies
from ml_assets.defs.assets.classifications import classifications
from ml_assets.defs.assets.entity_metrics import entity_metrics
from ml_assets.defs.assets.features import features
from ml_assets.defs.assets.forecasts import forecasts
from ml_assets.defs.assets.recommendations import recommendations
from ml_assets.defs.backfill import ASSETS
from ml_assets.entities import LEVELS
from ml_assets.settings import settings
from ml_assets.storage.engine import create_engine
from ml_assets_tests.defs.conftest import add_synthetic_account
from ml_assets_tests.defs.daemon import (
    BulkActionStatus,
    backfill,
    planned_runs,
    served,
    targeted,
    too_early,
    waiting_instance,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources` is deprecated"),
]

CHAIN = (
    "insights", "entity_metrics", "features", "classifications", "anomalies", "forecasts", "recommendations"
)  # fmt: skip


@pytest.fixture
def home(
    tmp_path: Path, sqlite_url: str, small_source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A database with an account, and the environment that server and run processes inherit."""
    engine = create_engine(sqlite_url)
    add_synthetic_account(engine, small_source)
    engine.dispose()
    monkeypatch.setenv("ML_ASSETS_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("ML_ASSETS_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def keys_of(last_day: dt.date, days: int) -> list[str]:
    dates = [last_day - dt.timedelta(days=back) for back in reversed(range(days))]
    return [f"{date}|{level}" for date in dates for level in LEVELS]


def test_no_level_is_judged_before_the_levels_it_rests_on(home: Path, last_day: dt.date) -> None:
    keys = keys_of(last_day, 4)
    with (
        waiting_instance(home) as instance,
        served("ml_assets.definitions", instance) as context,
    ):
        ended = backfill(context, CHAIN, keys)
        assert ended.status == BulkActionStatus.COMPLETED_SUCCESS
        for asset in ASSETS:
            assert instance.get_materialized_partitions(asset.key) == set(keys)
        assert not too_early(instance, "insights", entity_metrics)
        assert not too_early(instance, "entity_metrics", features)
        assert not too_early(instance, "features", classifications)
        assert not too_early(instance, "entity_metrics", classifications)
        assert not too_early(instance, "entity_metrics", anomalies)
        assert not too_early(instance, "entity_metrics", forecasts)
        assert not too_early(instance, "forecasts", recommendations)
        assert not too_early(instance, "classifications", recommendations)
        assert not too_early(instance, "anomalies", recommendations)
        assert not too_early(instance, "features", recommendations)
        assert not too_early(instance, "entity_metrics", recommendations)
        assert instance.get_runs_count() == len(CHAIN) * len(LEVELS)


def test_with_equal_policies_a_level_is_judged_before_the_levels_it_rests_on(
    home: Path, last_day: dt.date
) -> None:
    with (
        waiting_instance(home) as instance,
        served("ml_assets_tests.defs.equal_policies", instance) as context,
    ):
        backfill(context, ("features", "classifications"), keys_of(last_day, 4))
        assert instance.get_runs_count() == len(LEVELS)  # both assets of a level in one run
        assert too_early(instance, "features", classifications)


def test_a_backfill_is_few_runs_and_stays_within_the_days_that_were_asked_for(
    home: Path, last_day: dt.date
) -> None:
    keys = keys_of(last_day, 90)
    with (
        waiting_instance(home) as instance,
        served("ml_assets.definitions", instance) as context,
    ):
        assert [planned_runs(context, asset, keys) for asset in CHAIN] == [len(LEVELS)] * len(CHAIN)
        assert targeted(context, CHAIN, keys) == {asset: set(keys) for asset in CHAIN}
