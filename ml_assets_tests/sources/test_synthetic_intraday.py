"""The running day of the synthetic account, hour by hour."""

import datetime as dt

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_assets.entities import LEVELS
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.sources.synthetic.intraday import hour_ends

END = dt.date(2026, 2, 28)
DAY = dt.date(2026, 2, 11)
ZONE = "America/Sao_Paulo"
LONG_AFTER = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
FIGURES = ["spend", "impressions", "clicks", "link_clicks", "leads"]


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource(SyntheticConfig(end=END, intraday=True))


@pytest.fixture(scope="module")
def hourly(source: SyntheticSource) -> pl.DataFrame:
    rows = source.insights(LEVELS, DAY, DAY, LONG_AFTER).insights.filter(pl.col("window_days") == 1)
    return rows.filter(pl.col("known_at").dt.convert_time_zone(ZONE).dt.date() == DAY)


def test_figures_of_a_running_day_only_grow(hourly: pl.DataFrame) -> None:
    assert hourly.height > 2000
    grown = hourly.sort("known_at").select(
        (pl.col(name).diff().over("entity_type", "entity_id").fill_null(0) >= -1e-9).all() for name in FIGURES
    )
    assert all(grown.row(0))
    assert hourly["reach"].null_count() == hourly.height


def test_the_day_ends_with_its_final_spend(source: SyntheticSource, hourly: pl.DataFrame) -> None:
    last = hourly.sort("known_at").group_by("entity_type", "entity_id").last()
    morning = source.insights(LEVELS, DAY, DAY, LONG_AFTER).insights.filter(
        pl.col("window_days") == 1,
        pl.col("known_at").dt.convert_time_zone(ZONE).dt.date() == DAY + dt.timedelta(days=1),
    )
    both = last.join(morning, on=["entity_type", "entity_id"], suffix="_morning")
    assert both.height == morning.height
    assert (both["spend"] - both["spend_morning"]).abs().max() < 1e-6
    assert (both["leads"] <= both["leads_morning"]).all()
    assert both["leads"].sum() > 0


def test_children_sum_to_their_parent_at_every_hour(hourly: pl.DataFrame) -> None:
    noon = hourly.filter(pl.col("known_at").dt.convert_time_zone(ZONE).dt.hour() < 12)
    now = noon.sort("known_at").group_by("entity_type", "entity_id").last()
    totals = now.group_by("entity_type").agg(pl.col(FIGURES).sum().round(2)).select(FIGURES)
    assert totals.n_unique() == 1


def test_the_running_day_is_delivered_as_far_as_it_ran(source: SyntheticSource) -> None:
    noon = dt.datetime(2026, 2, 11, 15, tzinfo=dt.UTC)
    ended = dt.datetime(2026, 2, 12, 8, tzinfo=dt.UTC)
    shares = []
    for instant in (noon, ended):
        rows = source.insights(["campaign"], DAY, DAY, instant, versions=False).insights
        rows = rows.filter(pl.col("window_days") == 1)
        assert not rows["entity_id"].is_duplicated().any()
        shares.append(rows["spend"].sum())
    assert 0.2 < shares[0] / shares[1] < 0.5


def test_daily_versions_are_the_same_with_and_without_hourly_ones(source: SyntheticSource) -> None:
    plain = SyntheticSource(SyntheticConfig(end=END)).insights(LEVELS, DAY, DAY, LONG_AFTER).insights
    with_hours = source.insights(LEVELS, DAY, DAY, LONG_AFTER).insights
    after = with_hours.filter(pl.col("known_at").dt.convert_time_zone(ZONE).dt.date() > DAY)
    assert_frame_equal(after, plain)


@pytest.mark.parametrize(("date", "hours"), [((2026, 3, 8), 23), ((2026, 11, 1), 25), ((2026, 7, 1), 24)])
def test_a_day_has_as_many_readings_as_hours(date: tuple[int, int, int], hours: int) -> None:
    config = SyntheticConfig(end=END, timezone="America/New_York")
    readings, share = hour_ends(config, dt.date(*date))
    assert len(readings) == len(share) == hours
    assert share[-1] == pytest.approx(1.0)
