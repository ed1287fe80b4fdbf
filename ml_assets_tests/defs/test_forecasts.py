"""The asset `forecasts`: what it writes, that levels add up in SQL, and that re-runs change nothing."""

import datetime as dt

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.defs.backfill import ASSETS
from ml_assets.defs.checks import FORECAST_CHECKS
from ml_assets.defs.resources import DatabaseResource
from ml_assets.entities import LEVELS, EntityType
from ml_assets.forecasts.frames import METRICS
from ml_assets.storage.forecasts import read_forecast_points, read_forecasts, read_scored_points
from ml_assets.storage.tables import MLForecastPoint
from ml_assets_tests.defs.conftest import Materialize, failure_of, metadata_of

KEY = ["config_id", "entity_type", "entity_id", "target_metric", "forecast_date", "horizon_days"]


def stored(engine: sa.Engine, account: int, *dates: dt.date) -> tuple[pl.DataFrame, pl.DataFrame]:
    start, end = min(dates), max(dates)
    with engine.connect() as connection:
        rows = read_forecasts(connection, LEVELS, [account], forecast_start=start, forecast_end=end)
        points = read_forecast_points(connection, LEVELS, [account], forecast_start=start, forecast_end=end)
    return rows.sort(KEY), points.sort(*KEY, "target_date")


@pytest.fixture
def loaded(account: int, materialize: Materialize, last_day: dt.date) -> int:
    """The config_id of the small account with its figures."""
    assert materialize(["insights", "entity_metrics"], last_day - dt.timedelta(days=45), last_day).success
    return account


def test_levels_add_up_in_the_tables_and_a_second_run_changes_nothing(
    engine: sa.Engine, loaded: int, materialize: Materialize, last_day: dt.date
) -> None:
    for level in LEVELS:
        assert materialize("forecasts", last_day, levels=[level]).success
    rows, points = stored(engine, loaded, last_day)
    assert set(rows["entity_type"]) == {level.value for level in LEVELS}
    gaps = (
        points.filter(pl.col("target_metric").is_in(METRICS))
        .join(rows.select(*KEY, "parent_id"), on=KEY)
        .filter(pl.col("parent_id").is_not_null())
        .group_by("parent_id", "target_metric", "target_date")
        .agg(pl.col("predicted_value").sum())
        .join(
            points.select("entity_id", "target_metric", "target_date", above="predicted_value"),
            left_on=["parent_id", "target_metric", "target_date"],
            right_on=["entity_id", "target_metric", "target_date"],
        )
        .select((pl.col("predicted_value") - pl.col("above")).abs())
        .to_series()
    )
    assert gaps.len() > 100
    assert (gaps <= 1e-6).all()
    again = materialize("forecasts", last_day, levels=[EntityType.ADSET])
    assert again.success
    assert stored(engine, loaded, last_day)[0].equals(rows)
    assert stored(engine, loaded, last_day)[1].equals(points)
    told = metadata_of(again, "forecasts", f"{last_day}|adset")
    assert told["horizon_days"] == 7
    assert told["spend_expected"] > 0


def test_days_that_have_come_get_what_they_were(
    engine: sa.Engine, loaded: int, materialize: Materialize, last_day: dt.date
) -> None:
    made = last_day - dt.timedelta(days=4)
    days = [last_day - dt.timedelta(days=back) for back in range(4)]
    assert materialize("forecasts", made, levels=[EntityType.CAMPAIGN]).success
    with engine.connect() as connection:
        scored = read_scored_points(connection, EntityType.CAMPAIGN, [loaded], made, last_day)
    assert set(scored["target_date"]) == set(days)
    _, points = stored(engine, loaded, made)
    unknown = points.filter(pl.col("target_date") > last_day)
    assert unknown.height
    assert unknown["actual_value"].null_count() == unknown.height


def test_another_horizon_of_the_same_date_stays(
    engine: sa.Engine, loaded: int, materialize: Materialize, last_day: dt.date
) -> None:
    campaigns = [EntityType.CAMPAIGN]
    assert materialize("forecasts", last_day, levels=campaigns).success
    config = {"ops": {"forecasts": {"config": {"horizon_days": 30, "methods": ["seasonal_naive"]}}}}
    assert materialize("forecasts", last_day, levels=campaigns, run_config=config).success
    rows, points = stored(engine, loaded, last_day)
    assert set(rows["horizon_days"]) == {7, 30}
    assert points.filter(pl.col("horizon_days") == 30)["target_date"].max() == last_day + dt.timedelta(
        days=30
    )


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"horizon_days": 0}, "choose 1 to 90"),
        ({"methods": ["magic"]}, "no forecasting method magic; choose among smoothing"),
    ],
)
def test_what_cannot_be_forecast_says_why(
    loaded: int, materialize: Materialize, last_day: dt.date, config: dict[str, object], reason: str
) -> None:
    assert loaded
    run_config = {"ops": {"forecasts": {"config": config}}}
    result = materialize("forecasts", last_day, levels=[EntityType.CAMPAIGN], run_config=run_config)
    assert reason in failure_of(result)


def test_checks_pass_on_what_was_written_and_fail_on_what_somebody_changed(
    engine: sa.Engine, loaded: int, instance: dg.DagsterInstance, database_url: str, last_day: dt.date
) -> None:
    assert loaded
    job = dg.Definitions(
        assets=ASSETS,
        asset_checks=FORECAST_CHECKS,
        resources={"database": DatabaseResource(url=database_url)},
        jobs=[dg.define_asset_job("made_and_checked", dg.AssetSelection.assets("forecasts"))],
    ).resolve_job_def("made_and_checked")

    def checks(level: EntityType, days: int = 1) -> dict[str, bool]:
        first = last_day - dt.timedelta(days=days - 1)
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": f"{first}|{level}",
                "dagster/asset_partition_range_end": f"{last_day}|{level}",
            },
        )
        return {told.check_name: told.passed for told in result.get_asset_check_evaluations()}

    for level, days in ((EntityType.CAMPAIGN, 1), (EntityType.ADSET, 3)):
        assert checks(level, days) == {
            "forecasts_coherent": True,
            "forecasts_calibrated": True,
            "forecasts_skilled": True,
        }
    with engine.begin() as connection:
        changed = MLForecastPoint.predicted_value + 1
        connection.execute(sa.update(MLForecastPoint).values(predicted_value=changed))
    assert not checks(EntityType.ADSET)["forecasts_coherent"]
