"""Every guard blocks its own case, and is named; the case beside it passes."""

import datetime as dt
from typing import Any

import polars as pl
import pytest

from ml_assets.frames import ACCOUNTS, fill_missing
from ml_assets.recommendations.frames import GUARDS, SUSPENSIONS
from ml_assets.recommendations.guards import with_guards
from ml_assets.recommendations.policy import Policy
from ml_assets_tests.features.frames_made import frame

D = dt.date(2026, 3, 10)
NEVER = -(2**63)


CHILD: dict[str, Any] = {"recommendation_type": "PAUSE", "budget_owner": "campaign"}


def micros(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    moment = dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)
    return int(moment.timestamp()) * 1_000_000


FREE: dict[str, Any] = {
    "config_id": 1,
    "entity_type": "adset",
    "entity_id": "s1",
    "date": D,
    "recommendation_type": "SCALE_UP",
    "seeks_leads": True,
    "tracking_broke": False,
    "attribution_changed": False,
    "is_learning": False,
    "expected_leads": 20.0,
    "edited_at": NEVER,
    "maturity": 0.95,
    "budget_owner": "adset",
    "daily_budget": 100.0,
    "budget_before": 100.0,
    "utilisation": 1.0,
    "p_dear_child": 0.5,
    "p_dear_child_on_record": 0.5,
    "p_worst": 0.2,
}
"""A candidate that nothing blocks."""


def guarded(
    *, zone: str | None = "UTC", suspended: list[dict[str, Any]] | None = None, policy: Policy | None = None,
    **values: Any,
) -> dict[str, Any]:  # fmt: skip
    row = FREE | values
    types = {name: pl.Float64() for name, value in FREE.items() if isinstance(value, float)}
    candidates = pl.DataFrame([row], schema_overrides=types)
    accounts = fill_missing(
        pl.DataFrame({"config_id": [1], "timezone": [zone]}, schema_overrides={"timezone": pl.String}),
        ACCOUNTS,
    )
    made = with_guards(candidates, accounts, frame(suspended or [], SUSPENSIONS), policy or Policy())
    assert made.height == 1
    return made.row(0, named=True)


def blocked(**values: Any) -> str | None:
    return guarded(**values)["blocked_new"]


BLOCKS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("objective_not_leads", {"seeks_leads": False}, {}),
    ("tracking", {"tracking_broke": True, "recommendation_type": "PAUSE", "budget_owner": "adset"},
     {"tracking_broke": True}),
    ("attribution_changed", {"attribution_changed": True}, {}),
    ("learning", {"is_learning": True, "expected_leads": 3.9}, {"is_learning": True, "expected_leads": 4.0}),
    ("immature", {"maturity": 0.79}, {"maturity": 0.80}),
    ("budget_owner", {"budget_owner": "campaign"}, {"budget_owner": "none"}),
    ("budget_owner", {"entity_type": "campaign", "budget_owner": "adset"},
     {"entity_type": "campaign", "budget_owner": "campaign"}),
    ("budget_owner", {"budget_owner": "campaign", "recommendation_type": "BUDGET_DECREASE"},
     {"budget_owner": "campaign", "recommendation_type": "AUDIENCE_EXPANSION"}),
    ("step", {"budget_before": 65.0}, {"budget_before": 71.0}),
    ("utilisation", {"utilisation": 0.89}, {"utilisation": 0.90}),
    ("utilisation", {"utilisation": 0.5, "recommendation_type": "BUDGET_INCREASE"},
     {"utilisation": 0.5, "recommendation_type": "BUDGET_DECREASE"}),
    ("campaign_budget_child",
     {"recommendation_type": "PAUSE", "budget_owner": "campaign", "p_dear_child": 0.94},
     {"recommendation_type": "PAUSE", "budget_owner": "campaign", "p_dear_child": 0.95}),
    ("campaign_budget_child",
     {"recommendation_type": "PAUSE", "budget_owner": "campaign", "entity_type": "ad", "p_worst": 0.94},
     {"recommendation_type": "PAUSE", "budget_owner": "campaign", "entity_type": "ad", "p_worst": 0.95}),
    ("campaign_budget_child", {"recommendation_type": "PAUSE", "budget_owner": "campaign", "p_worst": None},
     {"recommendation_type": "PAUSE", "budget_owner": "campaign", "entity_type": "campaign"}),
]  # fmt: skip
"""Guard, the case it blocks, the case beside it that it lets pass."""


def test_a_candidate_without_a_fault_is_free() -> None:
    row = guarded()
    assert (row["blocked_new"], row["blocked_standing"]) == (None, None)


@pytest.mark.parametrize(("guard", "case", "beside"), BLOCKS)
def test_a_guard_blocks_its_case_and_not_the_one_beside(
    guard: str, case: dict[str, Any], beside: dict[str, Any]
) -> None:
    assert blocked(**case) == guard
    assert blocked(**beside) is None


@pytest.mark.parametrize("guard", ["data_quality", "tracking"])
def test_a_suspension_holds_for_its_account_level_and_date_alone(guard: str) -> None:
    suspended = {"config_id": 1, "entity_type": "adset", "date": D, "guard": guard}
    assert blocked(suspended=[suspended, suspended]) == guard
    for other in ({"config_id": 2}, {"entity_type": "ad"}, {"date": D - dt.timedelta(days=1)}):
        assert blocked(suspended=[suspended | other]) is None, other


def test_the_first_guard_in_the_order_of_the_list_is_named() -> None:
    faults = {guard: case for guard, case, _ in reversed(BLOCKS)}
    both = faults["immature"] | faults["attribution_changed"]
    assert blocked(**both) == "attribution_changed"
    assert GUARDS.index("attribution_changed") < GUARDS.index("immature")


def test_an_edit_blocks_for_72_hours_to_the_end_of_the_day() -> None:
    assert blocked(edited_at=micros(2026, 3, 8, 0, 1)) == "recent_edit"
    assert blocked(edited_at=micros(2026, 3, 10, 23, 59)) == "recent_edit"
    assert blocked(edited_at=micros(2026, 3, 8)) is None


@pytest.mark.parametrize(
    ("zone", "edge"),
    [
        ("America/Sao_Paulo", (2026, 3, 8, 3)),
        ("Asia/Tokyo", (2026, 3, 7, 15)),
        ("America/New_York", (2026, 3, 8, 4)),  # clocks went forward on the 8th: 72 h before midnight EDT
        (None, (2026, 3, 8)),
    ],
)
def test_the_day_of_an_edit_ends_where_the_account_is(zone: str | None, edge: tuple[int, ...]) -> None:
    moment = micros(*edge)
    assert blocked(zone=zone, edited_at=moment + 1) == "recent_edit"
    assert blocked(zone=zone, edited_at=moment) is None


def test_an_edit_of_a_later_day_blocks_no_earlier_one() -> None:
    assert blocked(edited_at=micros(2026, 3, 11, 0, 1)) is None


def test_an_ad_has_no_budget_to_guard() -> None:
    row = guarded(entity_type="ad", budget_owner="adset", utilisation=0.1, daily_budget=None)
    assert row["blocked_new"] is None
    assert row["step"] is None


def test_what_stands_still_is_not_asked_for_maturity() -> None:
    assert blocked(recommendation_type="REACTIVATE", maturity=None) is None
    assert blocked(recommendation_type="REACTIVATE", maturity=0.1) is None


@pytest.mark.parametrize(
    ("kind", "before", "step"),
    [
        ("SCALE_UP", 100.0, 0.2),
        ("SCALE_UP", 72.0, 0.08),
        ("SCALE_UP", None, 0.2),
        ("BUDGET_INCREASE", 100.0, 0.1),
        ("BUDGET_DECREASE", 30.0, -0.2),
        ("PAUSE", 100.0, None),
    ],
)
def test_a_step_is_20_percent_at_most_and_50_in_14_days(
    kind: str, before: float | None, step: float | None
) -> None:
    found = guarded(recommendation_type=kind, budget_before=before)["step"]
    assert found == (None if step is None else pytest.approx(step))


def test_what_stands_is_held_to_looser_bounds() -> None:
    looser: list[dict[str, Any]] = [
        {"maturity": 0.73},
        {"utilisation": 0.82},
        {"is_learning": True, "expected_leads": 1.0},
        CHILD | {"p_dear_child": 0.61},
    ]
    for values in looser:
        row = guarded(**values)
        assert row["blocked_new"] is not None
        assert row["blocked_standing"] is None, values
    assert guarded(maturity=0.71)["blocked_standing"] == "immature"


@pytest.mark.parametrize(
    ("overrides", "values", "guard"),
    [
        ({"learning_factor": 11.0}, {"is_learning": True}, "learning"),
        ({"edit_hours": 100.0}, {"edited_at": micros(2026, 3, 7)}, "recent_edit"),
        ({"maturity": 0.96}, {}, "immature"),
        ({"step_14d": 0.2}, {"budget_before": 84.0}, "step"),
        ({"least_step": 0.1}, {"budget_before": 72.0}, "step"),
        ({"utilisation": 0.99}, {"utilisation": 0.98}, "utilisation"),
        ({"child_pause": 0.99}, CHILD | {"p_dear_child": 0.97}, "campaign_budget_child"),
    ],
)
def test_every_bound_is_the_policys(overrides: dict[str, float], values: dict[str, Any], guard: str) -> None:
    assert blocked(**values) is None
    assert blocked(**values, policy=Policy().changed(overrides, "moved")) == guard
