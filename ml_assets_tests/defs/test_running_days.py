"""Running days out of a database: which, what is read of them, and what share they are."""

import datetime as dt
from functools import cache

import polars as pl
import pytest
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from ml_assets.anomalies.frames import RUNNING_DAYS
from ml_assets.anomalies.running_day import HISTORY_DAYS, learn_day_shares
from ml_assets.defs.inputs import conform_days
from ml_assets.defs.keys import run_keys
from ml_assets.defs.running_days import running_inputs
from ml_assets.defs.scope import Restriction, Scope
from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import ENTITY_METRICS
from ml_assets.sources.protocol import Delivery
from ml_assets.sources.synthetic import SyntheticConfig, SyntheticSource
from ml_assets.storage.accounts import add_account
from ml_assets.storage.reads import read_accounts, read_entities, read_insight_versions
from ml_assets.storage.tables import AdsInsight
from ml_assets.storage.writes import store_delivery

DATE = dt.date(2026, 3, 11)
AUCKLAND, SAO_PAULO = "Pacific/Auckland", "America/Sao_Paulo"
NOW = dt.datetime(2026, 3, 11, 1, 30, tzinfo=dt.UTC)
"""Half past two in the afternoon in Auckland; half past ten the evening before in São Paulo."""

FIGURES = ["spend", "impressions", "clicks", "leads"]


@cache
def deliveries(timezone: str, *, intraday: bool = True) -> tuple[SyntheticSource, tuple[Delivery, ...]]:
    config = SyntheticConfig(
        seed=5 + (timezone == SAO_PAULO) + 2 * intraday,
        campaigns=3,
        adsets=6,
        ads=12,
        days=50,
        end=DATE,
        timezone=timezone,
        intraday=intraday,
    )
    source = SyntheticSource(config)
    return source, (source.entities(), source.insights(LEVELS, config.first_day, DATE, NOW))


def store(connection: sa.Connection, timezone: str, *, intraday: bool = True) -> int:
    source, delivered = deliveries(timezone, intraday=intraday)
    config_id = add_account(connection, source.account(), {})
    for delivery in delivered:
        store_delivery(connection, config_id, delivery, NOW)
    return config_id


def scope_of(connection: sa.Connection, *dates: dt.date) -> Scope:
    return Scope(
        keys=run_keys(f"{date}|campaign" for date in dates),
        accounts=read_accounts(connection),
        restriction=Restriction(),
    )


def test_one_instant_is_another_day_in_another_place(engine: sa.Engine) -> None:
    yesterday = DATE - dt.timedelta(days=1)
    with engine.begin() as connection:
        east, west = store(connection, AUCKLAND), store(connection, SAO_PAULO)
        running, metrics = running_inputs(connection, scope_of(connection, yesterday, DATE), NOW)
        versions = read_insight_versions(connection, DATE - dt.timedelta(days=HISTORY_DAYS + 2), DATE)
        accounts = read_accounts(connection)
    assert running.schema == RUNNING_DAYS
    assert running.select("config_id", "date").rows() == [(east, DATE), (west, yesterday), (west, DATE)]
    until = dict(zip(running["config_id"], running["judged_until"], strict=True))
    assert running["judged_until"].is_not_null().to_list() == [True, True, False]
    assert running["reason"][2] == f"2026-03-11 has not begun yet ({SAO_PAULO})."
    assert all(moment is None or moment <= NOW - dt.timedelta(hours=3) for moment in until.values())

    # The few versions that are read say the same as all of them.
    assert_frame_equal(learn_day_shares(versions, accounts, [yesterday, DATE], NOW), running)

    assert metrics.schema == ENTITY_METRICS
    judged = running.filter(pl.col("judged_until").is_not_null())
    days = metrics.join(judged, on=["config_id", "date"])
    assert days.height == metrics.height
    assert days.select("config_id").n_unique() == 2
    assert (days["known_at"] <= days["judged_until"]).all()
    totals = metrics.group_by("config_id", "entity_type").agg(pl.col(FIGURES).sum().round(2))
    for _, levels in totals.group_by("config_id"):
        assert levels.height == len(LEVELS)
        assert levels.select(FIGURES).n_unique() == 1


def test_an_account_that_is_not_read_by_the_hour_is_not_judged_and_says_so(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        hourly = store(connection, AUCKLAND)
        daily = store(connection, AUCKLAND, intraday=False)
        running, metrics = running_inputs(connection, scope_of(connection, DATE), NOW)
    rows = {row["config_id"]: row for row in running.iter_rows(named=True)}
    assert rows[hourly]["reason"] is None
    assert rows[daily]["judged_until"] is None
    assert "the running day is not judged" in rows[daily]["reason"]
    assert metrics["config_id"].unique().to_list() == [hourly]


def test_a_run_over_days_that_are_over_reads_no_running_day(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        store(connection, AUCKLAND)
        running, metrics = running_inputs(connection, scope_of(connection, DATE - dt.timedelta(days=1)), NOW)
    assert running.is_empty()
    assert metrics.is_empty()
    assert (running.schema, metrics.schema) == (RUNNING_DAYS, ENTITY_METRICS)


@pytest.mark.parametrize("level", [EntityType.ADSET, EntityType.AD])
def test_the_topmost_level_that_is_delivered_tells_the_share(engine: sa.Engine, level: EntityType) -> None:
    above = [upper.value for upper in level.path if upper is not level]
    with engine.begin() as connection:
        store(connection, AUCKLAND)
        connection.execute(sa.delete(AdsInsight).where(AdsInsight.entity_type.in_(above)))
        running, metrics = running_inputs(connection, scope_of(connection, DATE), NOW)
    assert running["reason"].to_list() == [None]
    assert 0.1 < running["share"].item() < 0.4
    assert metrics["entity_type"].n_unique() == len(LEVELS)


def test_a_reading_that_cannot_be_right_gives_way_to_the_one_before(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        store(connection, AUCKLAND)
        running, metrics = running_inputs(connection, scope_of(connection, DATE), NOW)
        until = running["judged_until"].item()
        last = metrics.filter(pl.col("entity_type") == "ad").sort("known_at", "spend")[-1]
        spoil = (
            sa.update(AdsInsight)
            .where(
                AdsInsight.entity_type == "ad",
                AdsInsight.entity_id == last["entity_id"].item(),
                AdsInsight.date == DATE,
                AdsInsight.known_at <= until,
                AdsInsight.known_at > until - dt.timedelta(minutes=30),
            )
            .values(spend=-1.0)
        )
        assert connection.execute(spoil).rowcount == 1
        _, after = running_inputs(connection, scope_of(connection, DATE), NOW)
    found = after.filter(pl.col("entity_id") == last["entity_id"].item())["spend"].item()
    assert 0 < found < last["spend"].item()


def test_what_the_day_says_when_it_is_over_is_more_than_what_was_judged(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        config_id = store(connection, AUCKLAND)
        running, metrics = running_inputs(connection, scope_of(connection, DATE), NOW)
        entities = read_entities(connection)
        current = conform_days(connection, DATE, DATE, [config_id], entities).frame
    assert running.height == 1
    judged, whole = (float(frame["spend"].sum()) for frame in (metrics, current))
    assert 0.5 < judged / whole < 0.9  # three more hours of the afternoon
