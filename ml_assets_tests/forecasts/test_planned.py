"""What a planned budget brings, and the blocks of days of a forecast."""

import datetime as dt
import json
from functools import lru_cache

import numpy as np
import polars as pl
import pytest

from ml_assets.errors import NotReadyError, UsageError
from ml_assets.forecasts.budget_use import BudgetUse, budget_use
from ml_assets.forecasts.forecast import TreeForecast, forecast_tree
from ml_assets.forecasts.frames import METRICS, PERIODS, PLANNED
from ml_assets.forecasts.inputs import ForecastInputs
from ml_assets.forecasts.periods import period_totals
from ml_assets.forecasts.planned import PlannedBudget, plan_budget
from ml_assets.forecasts.rows import node_rows
from ml_assets_tests.anomalies.accounts_made import Change, D, Made, back, inputs_of
from ml_assets_tests.features.frames_made import Row

HORIZON = 10
MADE = Made(
    campaigns=3, adsets=2, ads=2, seed=3, noise=0.2, begins={"c3": 1}, changes=[Change("cvr", "c2", 0.0, 99)]
)
"""c1 spends 240 a day, c2 never brings a lead, c3 began yesterday."""


def version(entity_id: str, days_ago: int, level: str = "campaign", **fields: object) -> Row:
    return {
        "config_id": 1,
        "entity_type": level,
        "entity_id": entity_id,
        "known_at": dt.datetime.combine(back(days_ago), dt.time(12), tzinfo=dt.UTC),
        "fields": json.dumps({"effective_status": "ACTIVE"} | fields),
    }


@lru_cache(maxsize=4)
def forecast_of(*budgets: tuple[str, str, float], horizon: int = HORIZON) -> tuple[TreeForecast, BudgetUse]:
    """The forecast under daily budgets (entity, level, amount) set long ago."""
    versions = [version(name, 80, level, daily_budget=amount) for name, level, amount in budgets]
    inputs = ForecastInputs(inputs_of(MADE, versions=versions).figures)
    made = forecast_tree(inputs, D, horizon)
    return made, budget_use(made, inputs)


def row_of(made: TreeForecast, entity_id: str) -> int:
    ids = np.concatenate([step.keys["entity_id"].to_numpy() for step in made.tree.steps])
    return int(np.flatnonzero(ids == entity_id)[0])


def planned(budget: float, entity_id: str = "c1", **options: float) -> PlannedBudget:
    made, _ = forecast_of()
    return plan_budget(made, row_of(made, entity_id), budget, **options)


def totals(found: PlannedBudget) -> dict[str, dict[str, float]]:
    return {row["target_metric"]: row for row in found.totals.to_dicts()}


def spend_of(entity_id: str) -> float:
    """A day, as forecast."""
    made, _ = forecast_of()
    return float(made.mean["spend"][row_of(made, entity_id)].mean())


# ------------------------------------------------------------------------------------ the plan


def test_the_budget_that_is_spent_anyway_brings_the_forecast_itself() -> None:
    made, _ = forecast_of()
    row = row_of(made, "c1")
    found = totals(planned(spend_of("c1") / 0.5, share_spent=0.5))
    step = [step.name for step in made.tree.steps].index("campaign")
    forecasts = node_rows(made, step, np.array([row])).forecasts
    for metric in ("spend", "leads", "cpl"):
        own = forecasts.filter(pl.col("target_metric") == metric).row(0, named=True)
        assert found[metric]["value"] == pytest.approx(own["total_value"])
        assert found[metric]["unplanned_value"] == pytest.approx(own["total_value"])
    leads = forecasts.filter(pl.col("target_metric") == "leads").row(0, named=True)
    assert [found["leads"][name] for name in ("lower_80", "upper_95")] == [
        leads["total_lower_80"],
        leads["total_upper_95"],
    ]


def test_twice_the_money_brings_less_than_twice_the_leads_at_a_higher_price() -> None:
    found = totals(planned(2 * spend_of("c1")))
    assert found["spend"]["value"] == pytest.approx(2 * found["spend"]["unplanned_value"])
    assert found["leads"]["value"] / found["leads"]["unplanned_value"] == pytest.approx(2**0.8, rel=0.02)
    assert found["cpl"]["value"] > 1.1 * found["cpl"]["unplanned_value"]
    half = totals(planned(0.5 * spend_of("c1")))
    assert half["leads"]["value"] / half["leads"]["unplanned_value"] == pytest.approx(0.5**0.8, rel=0.02)
    assert half["cpl"]["value"] < half["cpl"]["unplanned_value"]


def test_the_further_from_what_is_spent_now_the_less_is_known() -> None:
    widths = []
    for times in (1, 2, 4):
        leads = totals(planned(times * spend_of("c1")))["leads"]
        widths.append((leads["upper_80"] - leads["lower_80"]) / leads["value"])
    assert widths == sorted(widths)
    certain = totals(planned(4 * spend_of("c1"), elasticity_sd=0.0))["leads"]
    assert (certain["upper_80"] - certain["lower_80"]) / certain["value"] < widths[-1]


def test_figures_have_their_schema_their_order_and_integer_bounds() -> None:
    found = planned(300.0, share_spent=0.9)
    assert found.totals.schema == pl.Schema(PLANNED)
    order = ("lower_95", "lower_80", "upper_80", "upper_95")
    for row in found.totals.to_dicts():
        bounds = [row[name] for name in order]
        assert bounds == sorted(bounds)
        assert row["lower_95"] <= row["value"] <= row["upper_95"]
    leads = totals(found)["leads"]
    assert all(leads[name] == round(leads[name]) for name in order)
    assert found.totals.equals(planned(300.0, share_spent=0.9).totals)


def test_no_more_is_spent_than_the_budget() -> None:
    for share in (1.0, 0.98, 0.7):
        spend = totals(planned(300.0, share_spent=share))["spend"]
        assert spend["upper_95"] <= 300.0 * HORIZON
        assert spend["value"] == pytest.approx(300.0 * HORIZON * share)
    assert totals(planned(300.0))["spend"]["lower_95"] == 300.0 * HORIZON


def test_an_entity_without_leads_has_no_cost_per_lead() -> None:
    found = totals(planned(300.0, "c2"))
    assert found["cpl"]["upper_95"] is None
    assert found["leads"]["value"] < 1


def test_beyond_three_times_what_is_spent_it_is_called_extrapolation() -> None:
    recent = spend_of("c1")
    assert not planned(2.9 * recent, recent_spend=recent).is_extrapolation
    assert planned(3.1 * recent, recent_spend=recent).is_extrapolation
    assert planned(0.3 * recent, recent_spend=recent).is_extrapolation
    assert planned(recent, recent_spend=0.0).is_extrapolation


@pytest.mark.parametrize("budget", [0.0, -5.0, float("nan"), float("inf")])
def test_a_budget_that_is_no_amount_is_refused(budget: float) -> None:
    with pytest.raises(UsageError, match="above 0"):
        planned(budget)


def test_an_entity_too_young_to_be_forecast_has_no_plan() -> None:
    with pytest.raises(NotReadyError, match="insufficient"):
        planned(100.0, "c3")


def test_an_entity_that_does_not_run_has_no_plan() -> None:
    inputs = ForecastInputs(inputs_of(MADE, versions=[version("c1", 3, effective_status="PAUSED")]).figures)
    made = forecast_tree(inputs, D, HORIZON)
    with pytest.raises(NotReadyError, match="nothing is spent"):
        plan_budget(made, row_of(made, "c1"), 100.0)


# ---------------------------------------------------------------------------- budgets as spent lately


def test_the_share_of_a_budget_that_is_spent_is_that_of_the_last_days() -> None:
    made, use = forecast_of(("c1", "campaign", 480.0))
    row = row_of(made, "c1")
    assert use.daily_budget[row] == 480.0
    assert use.share_spent[row] == pytest.approx(0.5, rel=0.1)
    assert use.recent_spend[row] == pytest.approx(240.0, rel=0.1)
    assert np.isnan(use.share_spent[row_of(made, "c2")])
    assert np.isnan(use.daily_budget[row_of(made, "c1s1a1")])


def test_a_campaign_has_the_budgets_of_its_adsets_where_all_are_known() -> None:
    made, use = forecast_of(("c1s1", "adset", 100.0), ("c1s2", "adset", 200.0), ("c2s1", "adset", 100.0))
    assert use.daily_budget[row_of(made, "c1")] == 300.0
    assert np.isnan(use.daily_budget[row_of(made, "c2")])
    # What is spent above the budget is all of it.
    assert use.share_spent[row_of(made, "c1s1")] == 1.0


# ------------------------------------------------------------------------------------ blocks of days


def test_weeks_add_up_to_the_forecast_and_the_last_one_may_be_short() -> None:
    made, _ = forecast_of()
    row = row_of(made, "c1")
    weeks = period_totals(made, row)
    assert weeks.schema == pl.Schema(PERIODS)
    spend = weeks.filter(pl.col("target_metric") == "spend")
    assert spend.select("first_date", "last_date").rows() == [
        (D + dt.timedelta(days=1), D + dt.timedelta(days=7)),
        (D + dt.timedelta(days=8), D + dt.timedelta(days=10)),
    ]
    for metric in METRICS:
        total = weeks.filter(pl.col("target_metric") == metric)["value"].sum()
        assert total == pytest.approx(made.mean[metric][row].sum())
    cpl = weeks.filter(pl.col("target_metric") == "cpl")["value"][0]
    leads = weeks.filter(pl.col("target_metric") == "leads")["value"][0]
    assert cpl == pytest.approx(spend["value"][0] / leads)
    assert (weeks["lower_95"] <= weeks["lower_80"]).all()
    assert (spend["lower_80"] < spend["value"]).all()
    assert (spend["value"] < spend["upper_80"]).all()
