"""The asset `forecasts`: what it writes, that levels add up in SQL, and that re-runs change nothing."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

from ml_assets.defs.backfill import ASSETS
from ml_assets.defs.checks import FORECAST_CHECKS
from ml_assets.defs.inputs import conform_days
from ml_assets.defs.resources import DatabaseResource
from ml_assets.entities import LEVELS, EntityType
from ml_assets.forecasts.frames import METRICS, QUANTILES
from ml_assets.forecasts.scoring import LEAST_POINTS
from ml_assets.sources.synthetic import SyntheticSource
from ml_assets.storage.forecast_actuals import POINTS
from ml_assets.storage.forecasts import read_forecast_points, read_forecasts, read_scored_points
from ml_assets.storage.reads import read_entities, read_entity_metrics
from ml_assets.storage.tables import MLEntityMetrics, MLForecast, MLForecastPoint
from ml_assets.storage.writes import replace_partition, store_delivery
from ml_assets_tests.defs.conftest import Materialize, failure_of, metadata_of

KEY = ["config_id", "entity_type", "entity_id", "target_metric", "forecast_date", "horizon_days"]


def stored(engine: sa.Engine, account: int, *dates: dt.date) -> tuple[pl.DataFrame, pl.DataFrame]:
    start, end = min(dates), max(dates)
    with engine.connect() as connection:
        rows = read_forecasts(connection, LEVELS, [account], forecast_start=start, forecast_end=end)
        points = read_forecast_points(connection, LEVELS, [account], forecast_start=start, forecast_end=end)
    return rows.sort(KEY), points.sort(*KEY, "target_date")


Load = Callable[[dt.date, dt.date], None]


@pytest.fixture
def load(engine: sa.Engine, account: int, small_source: dict[str, Any]) -> Load:
    """Stores the insights and entity metrics of the small account for the days [start, end]."""

    def stored_days(start: dt.date, end: dt.date) -> None:
        source = SyntheticSource.from_config(small_source)
        read = source.last_sync
        delivery = replace(source.entities(read), insights=source.insights(LEVELS, start, end, read).insights)
        days = [start + dt.timedelta(days=number) for number in range((end - start).days + 1)]
        with engine.begin() as connection:
            store_delivery(connection, account, delivery, read)
            entities = read_entities(connection, config_ids=[account])
            made = conform_days(connection, start, end, [account], entities).frame
            for level in LEVELS:
                rows = made.filter(pl.col("entity_type") == level.value)
                replace_partition(connection, MLEntityMetrics, rows, level, days, [account])

    return stored_days


@pytest.fixture
def loaded(account: int, load: Load, last_day: dt.date) -> int:
    """The config_id of the small account with its figures."""
    load(last_day - dt.timedelta(days=45), last_day)
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
    led = [count for name, count in told.items() if name.startswith("led_by_")]
    assert sum(led) + told["borrowed"] * len(METRICS) >= told["entities"] * len(METRICS)
    assert "spend_lower_80" in told["preview"]
    assert told["plot_1_spend"].startswith("![")


def test_a_run_of_several_dates_and_levels_leaves_what_runs_of_one_leave(
    engine: sa.Engine, loaded: int, materialize: Materialize, last_day: dt.date
) -> None:
    first = last_day - dt.timedelta(days=2)
    days = [first, last_day]
    result = materialize("forecasts", first, last_day)
    assert result.success
    assert "plot_1_leads" in metadata_of(result, "forecasts", f"{last_day}|campaign")
    assert "plot_1_leads" not in metadata_of(result, "forecasts", f"{first}|campaign")
    rows, points = stored(engine, loaded, *days)
    for day in days:
        assert materialize("forecasts", day, levels=[EntityType.AD]).success
    assert stored(engine, loaded, *days)[0].equals(rows)
    assert stored(engine, loaded, *days)[1].equals(points)


def test_a_run_restricted_to_an_entity_replaces_only_its_forecasts(
    engine: sa.Engine, loaded: int, materialize: Materialize, last_day: dt.date
) -> None:
    adsets = [EntityType.ADSET]
    assert materialize("forecasts", last_day, levels=adsets).success
    before, _ = stored(engine, loaded, last_day)
    chosen = before["entity_id"][0]
    with engine.begin() as connection:
        connection.execute(sa.update(MLForecast).values(model_version="as it was"))
    config = {"ops": {"forecasts": {"config": {"entity_ids": [chosen]}}}}
    assert materialize("forecasts", last_day, levels=adsets, run_config=config).success
    rows, _ = stored(engine, loaded, last_day)
    assert rows.filter(pl.col("model_version") != "as it was")["entity_id"].unique().to_list() == [chosen]
    assert rows.drop("model_version").equals(before.drop("model_version"))


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


def test_days_that_come_later_are_filled_in_by_the_next_run(
    engine: sa.Engine, account: int, load: Load, materialize: Materialize, last_day: dt.date
) -> None:
    campaigns, made = [EntityType.CAMPAIGN], last_day - dt.timedelta(days=2)
    load(made - dt.timedelta(days=30), made)
    assert materialize("forecasts", made, levels=campaigns).success
    _, points = stored(engine, account, made)
    assert points["actual_value"].null_count() == points.height
    load(made + dt.timedelta(days=1), last_day)
    assert materialize("forecasts", last_day, levels=campaigns).success
    with engine.connect() as connection:
        scored = read_scored_points(connection, EntityType.CAMPAIGN, [account], made, last_day)
        came = read_entity_metrics(connection, made, last_day, campaigns, [account])
    spend = scored.filter(pl.col("target_metric") == "spend").join(
        came, left_on=["entity_id", "target_date"], right_on=["entity_id", "date"]
    )
    assert spend["target_date"].n_unique() == 2
    assert spend["actual_value"].to_list() == pytest.approx(spend["spend"].to_list())


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


class Checked:
    """Materializes forecasts with their checks, as a job of the code location does."""

    def __init__(self, instance: dg.DagsterInstance, url: str, last_day: dt.date) -> None:
        self.instance = instance
        self.last_day = last_day
        self.job = dg.Definitions(
            assets=ASSETS,
            asset_checks=FORECAST_CHECKS,
            resources={"database": DatabaseResource(url=url)},
            jobs=[dg.define_asset_job("made_and_checked", dg.AssetSelection.assets("forecasts"))],
        ).resolve_job_def("made_and_checked")

    def __call__(self, level: EntityType, days: int = 1) -> dict[str, dg.AssetCheckEvaluation]:
        """The last `days` days of a level: name of the check -> what it says."""
        first = self.last_day - dt.timedelta(days=days - 1)
        result = self.job.execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            tags={
                "dagster/asset_partition_range_start": f"{first}|{level}",
                "dagster/asset_partition_range_end": f"{self.last_day}|{level}",
            },
        )
        return {told.check_name: told for told in result.get_asset_check_evaluations()}


@pytest.fixture
def checked(instance: dg.DagsterInstance, database_url: str, last_day: dt.date) -> Checked:
    return Checked(instance, database_url, last_day)


def test_checks_pass_on_what_was_written_and_fail_on_what_somebody_changed(
    engine: sa.Engine, loaded: int, checked: Checked
) -> None:
    assert loaded
    for level, days in ((EntityType.CAMPAIGN, 1), (EntityType.ADSET, 3)):
        assert {name: told.passed for name, told in checked(level, days).items()} == {
            "forecasts_coherent": True,
            "forecasts_calibrated": True,
            "forecasts_skilled": True,
        }

    def change(**values: object) -> None:
        campaigns = sa.select(MLForecast.id).where(
            MLForecast.entity_type == "campaign", MLForecast.target_metric == "spend"
        )
        with engine.begin() as connection:
            connection.execute(
                sa.update(MLForecastPoint).where(MLForecastPoint.forecast_id.in_(campaigns)).values(values)
            )

    change(predicted_value=MLForecastPoint.predicted_value + 1)
    coherent = checked(EntityType.ADSET)["forecasts_coherent"]
    assert not coherent.passed
    assert coherent.severity == dg.AssetCheckSeverity.ERROR
    assert "A sum of children is 1 away from its parent" in (coherent.description or "")
    change(predicted_value=MLForecastPoint.predicted_value - 1, lower_80=-1.0)
    coherent = checked(EntityType.ADSET)["forecasts_coherent"]
    assert not coherent.passed
    assert "points are negative" in (coherent.description or "")


def test_forecasts_that_missed_what_came_warn_and_stop_nothing(
    engine: sa.Engine, loaded: int, materialize: Materialize, checked: Checked, last_day: dt.date
) -> None:
    first, last = (last_day - dt.timedelta(days=back) for back in (15, 14))
    assert materialize("forecasts", first, last, levels=[EntityType.AD]).success
    assert loaded
    far = {name: POINTS.c[name] + 1e6 for name in ("predicted_value", *QUANTILES)}
    with engine.begin() as connection:
        connection.execute(sa.update(POINTS).values(far))
    found = checked(EntityType.AD)
    assert found["forecasts_coherent"].passed
    for name in ("forecasts_calibrated", "forecasts_skilled"):
        assert not found[name].passed
        assert found[name].severity == dg.AssetCheckSeverity.WARN
        assert "spend" in (found[name].description or "")
        points = found[name].metadata["points_spend"].value
        assert isinstance(points, int)
        assert points >= LEAST_POINTS
    assert found["forecasts_calibrated"].metadata["coverage_80_spend"].value == 0.0
