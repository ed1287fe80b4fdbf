"""What a call makes: what is missing upstream first, and when a part of partitions may be replaced."""

import datetime as dt

import dagster as dg
import pytest
import sqlalchemy as sa

from ml_assets.defs.backfill import LOOKBACKS
from ml_assets.defs.launch_plan import Asked, LaunchPlan, plan_launch
from ml_assets.entities import LEVELS, EntityType
from ml_assets_tests.defs.conftest import DAYS, Materialize

pytestmark = pytest.mark.usefixtures("account")

CLASSIFY = ("features", "classifications")


def planned(
    engine: sa.Engine,
    instance: dg.DagsterInstance,
    assets: tuple[str, ...],
    level: EntityType,
    *days: dt.date,
) -> LaunchPlan:
    with engine.connect() as connection:
        return plan_launch(connection, instance, Asked(assets, level, days[0], days[-1]))


def bring_figures(materialize: Materialize, last_day: dt.date) -> None:
    """Of all days that anything looks back on: of those before the account began there are none."""
    began = last_day - dt.timedelta(days=DAYS - 1)
    assert materialize("insights", last_day - dt.timedelta(days=max(LOOKBACKS.values())), last_day).success
    assert materialize("entity_metrics", began, last_day).success


def names(plan: LaunchPlan) -> list[tuple[str, str]]:
    """Assets and levels upstream, of the last day alone, in their order."""
    last = max(stretch.end for stretch in plan.upstream)
    return [(stretch.asset, stretch.level.value) for stretch in plan.upstream if stretch.end == last]


def test_what_was_never_made_is_made_first_and_for_all(
    engine: sa.Engine, instance: dg.DagsterInstance, materialize: Materialize, last_day: dt.date
) -> None:
    first = planned(engine, instance, CLASSIFY, EntityType.ADSET, last_day)
    assert not first.is_one_partition
    assert not first.may_be_restricted
    order = names(first)
    assert order.index(("insights", "campaign")) < order.index(("entity_metrics", "campaign"))
    assert order.index(("entity_metrics", "campaign")) < order.index(("features", "campaign"))
    assert ("features", "adset") not in order  # asked for
    assert ("classifications", "campaign") not in order  # not read
    assert min(stretch.start for stretch in first.upstream) < last_day  # what is looked back on too
    bring_figures(materialize, last_day)
    for asset in CLASSIFY:
        assert materialize(asset, last_day, levels=(EntityType.CAMPAIGN,)).success
        assert materialize(asset, last_day, levels=(EntityType.ADSET,)).success
    again = planned(engine, instance, CLASSIFY, EntityType.ADSET, last_day)
    assert again.upstream == ()
    assert again.is_one_partition
    assert again.may_be_restricted
    two_days = planned(
        engine, instance, CLASSIFY, EntityType.ADSET, last_day - dt.timedelta(days=1), last_day
    )
    assert not two_days.is_one_partition
    assert not two_days.may_be_restricted
    advice = planned(engine, instance, ("recommendations",), EntityType.ADSET, last_day)
    assert advice.upstream == ()
    assert advice.is_one_partition
    assert not advice.may_be_restricted  # never made as a whole
    lower = planned(engine, instance, ("recommendations",), EntityType.AD, last_day)
    assert names(lower) == [("features", "ad"), ("classifications", "ad")]


def test_figures_that_were_read_since_are_conformed_first(
    engine: sa.Engine, instance: dg.DagsterInstance, materialize: Materialize, last_day: dt.date
) -> None:
    bring_figures(materialize, last_day)
    assert planned(engine, instance, ("anomalies",), EntityType.AD, last_day).upstream == ()
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ads_insights "
                "(config_id, entity_type, entity_id, date, window_days, known_at, spend) "
                "SELECT DISTINCT config_id, entity_type, entity_id, date, window_days, :moment, 1 "
                "FROM ads_insights WHERE date = :day AND entity_type = 'campaign' AND window_days = 1"
            ),
            {
                "moment": tomorrow if engine.name == "postgresql" else tomorrow.isoformat(" "),
                "day": last_day if engine.name == "postgresql" else last_day.isoformat(),
            },
        )
    plan = planned(engine, instance, ("anomalies",), EntityType.AD, last_day)
    assert [(stretch.asset, stretch.level) for stretch in plan.upstream] == [
        ("entity_metrics", level) for level in LEVELS
    ]
