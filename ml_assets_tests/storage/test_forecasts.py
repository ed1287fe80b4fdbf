"""Forecasts are replaced by date and horizon, get what their days were, and come back as they went in."""

import datetime as dt
from collections.abc import Iterator

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.entities import EntityType
from ml_assets.errors import UsageError
from ml_assets.forecasts.frames import FORECAST_POINTS, RATIOS, SCORED_POINTS, TARGET_METRICS, UNATTRIBUTED
from ml_assets.metrics import ratio
from ml_assets.storage.forecast_actuals import score_forecasts
from ml_assets.storage.forecasts import (
    read_current_forecasts,
    read_forecast_points,
    read_forecasts,
    read_scored_points,
    replace_forecasts,
)
from ml_assets.storage.keys import row_ids
from ml_assets_tests.storage.forecasts_made import (
    CAMPAIGN,
    KEY,
    day,
    forecast,
    frames,
    happened,
    stored,
    write,
)


@pytest.fixture
def connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        yield connection


def score(connection: sa.Connection, start: int, end: int, config_ids: tuple[int, ...] = (1,)) -> int:
    return score_forecasts(connection, CAMPAIGN, config_ids, day(start), day(end))


def actuals(connection: sa.Connection, metric: str = "leads", entity_id: str = "7") -> list[float | None]:
    """What the days of the forecasts of a metric were, in the order of the dates."""
    points = read_forecast_points(
        connection,
        [CAMPAIGN],
        [1],
        forecast_start=day(0),
        forecast_end=day(30),
        metrics=[metric],
        entity_ids=[entity_id],
    )
    return points.sort("forecast_date", "horizon_days", "target_date")["actual_value"].to_list()


# ------------------------------------------------------------------------------------ written


def test_a_second_run_leaves_identical_rows_named_by_their_key(connection: sa.Connection) -> None:
    rows = [forecast(0), forecast(0, metric="spend"), forecast(1), forecast(1, entity_id="8")]
    happened(connection, 2, {"entity_id": "7", "leads": 3})
    assert write(connection, [0, 1], *rows) == 4
    before = stored(connection)
    assert before[0]["id"].to_list() == row_ids(before[0], "ml_forecasts").to_list()
    assert before[0]["created_at"].to_list() == before[0]["as_of"].to_list()
    assert actuals(connection) == [None, 3.0, 3.0, None]
    write(connection, [0, 1], *reversed(rows))
    for now, then in zip(stored(connection), before, strict=True):
        assert_frame_equal(now, then)


def test_what_was_written_comes_back(connection: sa.Connection) -> None:
    rows = [
        forecast(0, parent_id="70", model_version="2", total_lower_80=1.0, total_upper_95=float("nan")),
        forecast(0, entity_id="8", insufficient_data=True, backtest=None, total_value=None),
        forecast(1),
    ]
    write(connection, [0, 1], *rows)
    forecasts, points = frames(rows)
    assert_frame_equal(
        read_forecasts(connection, [CAMPAIGN], [1], forecast_start=day(0), forecast_end=day(1)),
        forecasts.with_columns(pl.col("total_upper_95").fill_nan(None)),
        check_row_order=False,
    )
    told = read_forecast_points(connection, [CAMPAIGN], [1], forecast_start=day(0), forecast_end=day(1))
    assert told.schema == pl.Schema(SCORED_POINTS)
    assert_frame_equal(told.select(FORECAST_POINTS.keys()), points, check_row_order=False)
    of_one = read_forecasts(
        connection, [CAMPAIGN], [1], forecast_start=day(0), forecast_end=day(0), entity_ids=["7"]
    )
    assert of_one["forecast_date"].to_list() == [day(0)]
    nothing = read_forecast_points(
        connection,
        [EntityType.AD, CAMPAIGN],
        [1],
        forecast_start=day(0),
        forecast_end=day(1),
        metrics=["cpl"],
    )
    assert nothing.is_empty()


def test_a_run_of_some_entities_leaves_the_others_alone(connection: sa.Connection) -> None:
    write(connection, [0], forecast(0), forecast(0, entity_id="8"))
    forecasts, points = stored(connection)
    write(connection, [0], entity_ids=["8"])
    left = forecasts.filter(pl.col("entity_id") == "7")
    assert_frame_equal(stored(connection)[0], left)
    assert_frame_equal(
        stored(connection)[1], points.filter(pl.col("forecast_id").is_in(left["id"].to_list()))
    )


def test_another_horizon_level_account_or_date_stays(connection: sa.Connection) -> None:
    write(connection, [0], forecast(0, horizon=3), horizon=3)
    write(connection, [1], forecast(1))
    write(connection, [0], forecast(0, config_id=2), config_ids=[2])
    write(connection, [0], forecast(0, entity_type="adset"), entity_type=EntityType.ADSET)
    before = stored(connection)
    write(connection, [0], forecast(0))
    assert stored(connection)[0].height == 5
    write(connection, [0])
    for now, then in zip(stored(connection), before, strict=True):
        assert_frame_equal(now, then)


def test_what_is_outside_of_the_run_is_refused(connection: sa.Connection) -> None:
    with pytest.raises(UsageError, match="outside of the partition"):
        write(connection, [0], forecast(1))
    with pytest.raises(UsageError, match="1 of 2 forecasts are of another horizon than the 2 days"):
        write(connection, [0], forecast(0), forecast(0, horizon=3))
    forecasts, points = frames([forecast(0), forecast(0, entity_id="8")])
    with pytest.raises(UsageError, match="2 of 4 points belong to none of the forecasts"):
        replace_forecasts(connection, forecasts.head(1), points, CAMPAIGN, [day(0)], [1], horizon_days=2)
    assert stored(connection)[0].is_empty()


def test_a_run_that_fails_midway_leaves_what_was_there(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        write(connection, [0], forecast(0))
        before = stored(connection)
    forecasts, points = frames([forecast(0, total_value=99.0)])
    with pytest.raises(Exception, match=r"(?i)unique"), engine.begin() as connection:
        replace_forecasts(
            connection,
            forecasts,
            pl.concat([points, points]),
            CAMPAIGN,
            [day(0)],
            [1],
            horizon_days=2,
        )
    with engine.begin() as connection:
        for now, then in zip(stored(connection), before, strict=True):
            assert_frame_equal(now, then)


# ------------------------------------------------------------------------------------- scored


def test_days_that_come_are_scored_and_unknown_ones_stay_null(connection: sa.Connection) -> None:
    write(connection, [0], forecast(0, horizon=3), horizon=3)
    assert actuals(connection) == [None, None, None]
    happened(connection, 1, {"entity_id": "7", "leads": 4})
    happened(connection, 2, {"entity_id": "8", "leads": 1})  # the account was read, 7 had nothing
    happened(connection, 3, {"entity_id": "7", "leads": 5}, config_id=2)
    assert score(connection, 1, 3) == 2
    assert actuals(connection) == [4.0, 0.0, None]
    assert score(connection, 1, 3) == 0


def test_restated_figures_change_only_what_they_change(connection: sa.Connection) -> None:
    happened(connection, 1, {"entity_id": "7", "leads": 4, "spend": 10.0})
    happened(connection, 2, {"entity_id": "7", "leads": 5, "spend": 20.0})
    write(connection, [0, 1], forecast(0), forecast(0, metric="spend"), forecast(1))
    assert actuals(connection) == [4.0, 5.0, 5.0, None]
    happened(connection, 2, {"entity_id": "7", "leads": 6, "spend": 20.0})
    assert score(connection, 1, 1) == 0
    assert score(connection, 2, 2) == 2
    assert actuals(connection) == [4.0, 6.0, 6.0, None]
    assert actuals(connection, "spend") == [10.0, 20.0]
    happened(connection, 2)
    assert score(connection, 0, 9) == 3
    assert actuals(connection) == [4.0, None, None, None]


def test_the_order_of_writing_and_scoring_does_not_matter(connection: sa.Connection) -> None:
    rows = [forecast(number, metric=metric) for number in (0, 1, 2) for metric in ("leads", "cpl")]
    write(connection, [0, 1, 2], *rows)
    for number in (3, 1, 2):
        happened(connection, number, {"entity_id": "7", "leads": number, "spend": 30.0})
        score(connection, number, number)
    before = stored(connection)
    write(connection, [0, 1, 2], *rows)
    for now, then in zip(stored(connection), before, strict=True):
        assert_frame_equal(now, then)
    assert score(connection, 0, 9) == 0


def test_every_metric_is_what_the_figures_say(connection: sa.Connection) -> None:
    figures = {"spend": 12.34, "impressions": 1700, "clicks": 23, "leads": 7}
    write(connection, [0], *(forecast(0, metric=metric) for metric in TARGET_METRICS))
    happened(connection, 1, {"entity_id": "7", **figures})
    happened(connection, 2, {"entity_id": "7", **figures, "leads": 0, "spend": None})
    score(connection, 1, 2)
    expected = (
        pl.DataFrame([figures]).with_columns(ratio(name).alias(name) for name in RATIOS).row(0, named=True)
    )
    for metric in TARGET_METRICS:
        assert actuals(connection, metric)[0] == expected[metric], metric
    second = {metric: actuals(connection, metric)[1] for metric in TARGET_METRICS}
    assert (second["leads"], second["spend"], second["cpl"], second["cpc"]) == (0.0, None, None, None)
    assert second["ctr"] == expected["ctr"]


def test_a_ratio_of_an_entity_without_delivery_is_null(connection: sa.Connection) -> None:
    write(connection, [0], forecast(0, metric="cpl"), forecast(0, metric="spend"))
    happened(connection, 1, {"entity_id": "8", "leads": 1})
    score(connection, 1, 2)
    assert actuals(connection, "cpl") == [None, None]
    assert actuals(connection, "spend") == [0.0, None]


def test_what_stands_for_no_entity_is_never_known_to_have_been_nothing(connection: sa.Connection) -> None:
    rest = f"{UNATTRIBUTED}1"
    write(connection, [0], forecast(0, entity_id=rest))
    happened(connection, 1, {"entity_id": "7", "leads": 1})
    assert score(connection, 1, 2) == 0
    assert actuals(connection, entity_id=rest) == [None, None]


def test_scored_points_are_those_of_the_days_by_every_forecast(connection: sa.Connection) -> None:
    happened(connection, 2, {"entity_id": "7", "leads": 4})
    happened(connection, 3, {"entity_id": "7", "leads": 5})
    write(connection, [0, 1, 2], *(forecast(number) for number in (0, 1, 2)))
    found = read_scored_points(connection, CAMPAIGN, [1], day(2), day(2)).sort("forecast_date")
    ahead = (pl.col("target_date") - pl.col("forecast_date")).dt.total_days()
    assert found.select(ahead, "predicted_value", "actual_value").rows() == [(2, 2.0, 4.0), (1, 1.0, 4.0)]
    assert read_scored_points(connection, CAMPAIGN, [1], day(4), day(9)).is_empty()


# ------------------------------------------------------------------------- the one that counts


def test_the_forecast_that_counts_is_the_newest_with_the_largest_horizon(connection: sa.Connection) -> None:
    write(connection, [0], forecast(0, horizon=5), forecast(0, horizon=5, entity_id="8"), horizon=5)
    write(connection, [1], forecast(1))
    write(connection, [1], forecast(1, horizon=3), forecast(1, horizon=3, metric="spend"), horizon=3)
    forecasts, points = read_current_forecasts(connection, [1], [CAMPAIGN])
    told = forecasts.select("entity_id", "target_metric", "forecast_date", "horizon_days").rows()
    assert told == [("7", "leads", day(1), 3), ("7", "spend", day(1), 3), ("8", "leads", day(0), 5)]
    assert points.height == 3 + 3 + 5
    assert points.select(KEY).unique().sort(KEY).equals(forecasts.select(KEY))
    earlier, _ = read_current_forecasts(connection, [1], [CAMPAIGN], before=day(1))
    assert earlier["entity_id"].to_list() == ["7", "8"]
    assert earlier["forecast_date"].unique().to_list() == [day(0)]
    recent, _ = read_current_forecasts(connection, [1], [CAMPAIGN], since=day(1))
    assert recent["entity_id"].to_list() == ["7", "7"]
    none, no_points = read_current_forecasts(connection, [2], list(EntityType))
    assert (none.height, no_points.height) == (0, 0)


def test_a_range_of_dates_is_read_from_the_index_of_its_level(sqlite_url: str) -> None:
    engine = sa.create_engine(sqlite_url)
    query = (
        "EXPLAIN QUERY PLAN DELETE FROM ml_forecasts WHERE config_id IN (1) AND entity_type = 'ad' "
        "AND forecast_date BETWEEN :day AND :day AND horizon_days = 7"
    )
    with engine.connect() as connection:
        plan = str(connection.execute(sa.text(query), {"day": dt.date(2026, 2, 1)}).all())
    engine.dispose()
    assert "ix_ml_forecasts_partition (config_id=? AND entity_type=? AND forecast_date>?" in plan
