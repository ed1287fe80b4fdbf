"""The plan of the report: what is shown, in which order, and what is said where nothing is issued."""

import io
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa
from rich.console import Console

from ml_assets.entities import LEVELS, EntityType
from ml_assets.report import AccountReport
from ml_assets.report.forecasts import no_forecasts
from ml_assets.report.incidents import OpenIncidents
from ml_assets.report.plan import Plan, read_plan
from ml_assets.report.tables import draw_plan
from ml_assets.storage.recommendation_actions import apply_recommendation
from ml_assets_tests.storage.recommendations_made import D1, advice, id_on, morning_after, store

LATER = morning_after(400)
UNDECIDED = {
    "entity_type": "ad",
    "entity_id": "9",
    "name": "Reel [b]",
    "tier": "INSUFFICIENT_DATA",
    "spend_14d": 30.0,
    "level_order": 2,
    "needs": '{"spend":12.3,"leads":1,"delivery_days":0}',
}


def blocked(entity_id: str, by: str, plan_reason: str | None = None) -> dict[str, Any]:
    reason = "null" if plan_reason is None else f'"{plan_reason}"'
    return advice(1, entity_id=entity_id, blocked_by=by, reasoning=f'{{"plan_reason":{reason}}}')


def plan_of(connection: sa.Connection, *rows: dict[str, Any]) -> Plan:
    store(connection, [1], *rows, now=morning_after(1))
    return read_plan(connection, 1, D1, LEVELS)


def drawn(plan: Plan, judged: pl.DataFrame | None = None) -> str:
    """What stands above everything else in the report."""
    console = Console(file=io.StringIO(), width=100, markup=False, highlight=False)
    report = AccountReport(
        account={"config_id": 1, "name": "Clinic"},
        date=D1,
        levels=LEVELS,
        judged=pl.DataFrame([UNDECIDED]) if judged is None else judged,
        plan=plan,
        incidents=OpenIncidents(pl.DataFrame(), pl.DataFrame()),
        forecasts=no_forecasts(),
        residuals=pl.DataFrame(),
        rejected_rows=0,
    )
    draw_plan(report, console)
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


def test_the_most_urgent_comes_first_then_the_most_money(engine: sa.Engine) -> None:
    def worth(amount: float) -> str:
        return f'{{"money_per_week":{{"value":{amount}}}}}'

    with engine.begin() as connection:
        plan = plan_of(
            connection,
            advice(1, entity_id="1", priority=3, title="third", expected_impact=worth(900)),
            advice(1, entity_id="2", priority=9, title="second", expected_impact=worth(50)),
            advice(1, entity_id="3", priority=9, title="first [b]", expected_impact=worth(80)),
        )
    assert plan.issued["title"].to_list() == ["first [b]", "second", "third"]
    assert plan.money_per_week == pytest.approx(1030)
    text = drawn(plan)
    assert text.index("1 first [b] 96.0 %") < text.index("2 second") < text.index("3 third")
    assert "Together worth about 1,030 a week, a week of waiting costs 361.50." in text


def test_what_is_held_back_is_counted_below_the_plan(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        plan = plan_of(
            connection,
            advice(1),
            blocked("8", "plan", "below_the_fold"),
            blocked("9", "plan", "level_above"),
            blocked("10", "recent_edit"),
            blocked("11", "recent_edit"),
            blocked("12", "learning"),
        )
    assert plan.issued.height == 1
    assert "1 more is below the fold. 3 are blocked by a guard (recent edit 2, learning 1)." in drawn(plan)


def test_a_day_without_anything_to_do_says_so_and_what_is_nearest(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        waiting = plan_of(connection, blocked("8", "learning"))
    text = drawn(waiting)
    assert text.startswith("What to do: nothing on this day")
    assert "has to wait. 1 is blocked by a guard (learning 1)." in text
    assert "Nearest to a tier: the ad Reel [b], after 12.30 more spend or 1 more lead." in text


def test_a_day_that_was_never_looked_at_is_told_from_one_with_nothing_to_do(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        never = plan_of(connection)
        store(connection, [1, 3], advice(3), now=morning_after(3))
        store(connection, [2], now=morning_after(3))
        before = read_plan(connection, 1, D1, LEVELS)
    assert f"`ml-assets run --from {D1} --to {D1}`" in drawn(never)
    assert not before.is_within_reach


def test_what_was_done_is_no_longer_to_do(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        plan_of(connection, advice(1), advice(1, entity_id="8"))
        apply_recommendation(connection, id_on(connection, 1), by="ana", at=morning_after(1))
        plan = read_plan(connection, 1, D1, LEVELS)
    assert plan.issued["entity_id"].to_list() == ["8"]
    assert "Already 1 applied." in drawn(plan)


def test_the_plan_of_a_day_long_past_is_still_shown_as_expired(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        store(connection, [1], advice(1), now=LATER)
        plan = read_plan(connection, 1, D1, LEVELS)
        campaigns = read_plan(connection, 1, D1, [EntityType.CAMPAIGN])
    assert plan.issued.height == plan.over == 1
    assert "It has expired since." in drawn(plan)
    assert campaigns.rows.is_empty()
