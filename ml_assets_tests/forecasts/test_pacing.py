"""Where a month stands and where it lands."""

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from ml_assets.errors import UsageError
from ml_assets.forecasts.forecast import forecast_tree
from ml_assets.forecasts.frames import PACING
from ml_assets.forecasts.inputs import ForecastInputs
from ml_assets.forecasts.pacing import days_left, pace
from ml_assets_tests.anomalies.accounts_made import Change, D, Made, back, inputs_of
from ml_assets_tests.features.frames_made import Row

LEFT = 6
"""Days of June after `D`."""

QUIET_WEEKENDS = (1.0, 1.0, 1.0, 1.0, 1.0, 0.3, 0.3)
MADE = Made(campaigns=2, adsets=2, ads=2, seed=5, weekdays=QUIET_WEEKENDS, noise=0.1)


def given(*made: Made, versions: list[Row] | None = None) -> ForecastInputs:
    return ForecastInputs(inputs_of(*made, versions=versions or []).figures)


def paced(
    inputs: ForecastInputs | Made = MADE, date: dt.date = D, **options: Any
) -> dict[str, dict[str, Any]]:
    """Rows by entity."""
    known = given(inputs) if isinstance(inputs, Made) else inputs
    found = pace(forecast_tree(known, date, max(days_left(date), 1)), known, **options)
    assert found.schema == pl.Schema(PACING)
    return {row["entity_id"]: row for row in found.to_dicts()}


def version(entity_id: str, days_ago: int, **fields: object) -> Row:
    return {
        "config_id": 1,
        "entity_type": "campaign",
        "entity_id": entity_id,
        "known_at": dt.datetime.combine(back(days_ago), dt.time(12), tzinfo=dt.UTC),
        "fields": json.dumps({"effective_status": "ACTIVE"} | fields),
    }


def spent(made: Made, first: dt.date, last: dt.date, entity_id: str | None = None) -> float:
    rows = made.figures().filter(pl.col("entity_type") == "campaign", pl.col("date").is_between(first, last))
    wanted = ["c1", "c2"] if entity_id is None else [entity_id]
    return float(rows.filter(pl.col("entity_id").is_in(wanted))["spend"].sum())


def budget_of(amount: float) -> Made:
    return replace(MADE, account={"monthly_budget": amount})


def test_the_landing_is_what_was_spent_and_what_is_forecast() -> None:
    rows = paced()
    assert list(rows) == ["act_1", "c1", "c2"]
    for entity_id, row in rows.items():
        own = None if entity_id == "act_1" else entity_id
        assert row["spend_to_date"] == pytest.approx(spent(MADE, D.replace(day=1), D, own))
        assert row["spend_landing"] == pytest.approx(row["spend_to_date"] + row["spend_rest"])
        bounds = [row[f"spend_landing_{name}"] for name in ("lower_95", "lower_80", "upper_80", "upper_95")]
        assert bounds == sorted(bounds)
        assert row["spend_to_date"] < bounds[0] < row["spend_landing"] < bounds[-1]
        assert row["cpl_landing"] == pytest.approx(row["spend_landing"] / row["leads_landing"])
        assert row["days_left"] == LEFT
        assert row["month"] == dt.date(2026, 6, 1)
    landing = rows["c1"]["spend_landing"] + rows["c2"]["spend_landing"]
    assert landing == pytest.approx(rows["act_1"]["spend_landing"])


def test_weekends_to_come_are_seen_where_a_straight_line_does_not() -> None:
    friday = dt.date(2026, 6, 26)  # of the four days left two are a quiet weekend
    row = paced(date=friday)["act_1"]
    to_date = spent(MADE, dt.date(2026, 6, 1), friday)
    assert row["spend_straight_line"] == pytest.approx(to_date * 30 / 26)
    usual = spent(MADE, dt.date(2026, 5, 30), dt.date(2026, 6, 2))  # the same weekdays
    assert row["spend_rest"] == pytest.approx(usual, rel=0.1)
    assert row["spend_straight_line"] > row["spend_landing"]


def test_the_probability_of_ending_above_the_budget_follows_the_landing() -> None:
    landing = paced()["act_1"]["spend_landing"]
    found = [paced(budget_of(landing * times))["act_1"] for times in (0.5, 0.99, 1.0, 1.01, 2.0)]
    chances = [row["above_budget_probability"] for row in found]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == 1.0
    assert 0.2 < chances[2] < 0.8
    assert chances[-1] == 0.0
    assert found[0]["budget_share_landing"] == pytest.approx(2.0)
    assert found[0]["budget_source"] == "monthly_budget"


def test_without_a_budget_nothing_is_said_of_it() -> None:
    row = paced()["act_1"]
    for name in ("budget", "budget_source", "budget_share_landing", "above_budget_probability"):
        assert row[name] is None


def test_a_campaign_is_held_against_its_daily_budget_on_every_day_of_the_month() -> None:
    versions = [version(name, 90, daily_budget=300.0) for name in ("c1", "c2")]
    made = replace(MADE, begins={"c2": 10})
    rows = paced(given(made, versions=versions))
    assert rows["c1"]["budget"] == 300.0 * 30
    assert rows["c1"]["budget_source"] == "daily_budget"
    assert 0 < rows["c1"]["budget_share_landing"] < 1
    # It began within the month: a whole month's budget would say nothing of it.
    assert rows["c2"]["budget"] is None


def test_on_the_last_day_the_landing_is_the_months_figure_and_the_next_month_is_not_paced() -> None:
    may = dt.date(2026, 5, 31)
    row = paced(budget_of(100.0), date=may)["act_1"]
    assert row["days_left"] == 0
    assert row["spend_rest"] == 0.0
    whole = spent(MADE, dt.date(2026, 5, 1), may)
    for name in ("spend_to_date", "spend_landing", "spend_landing_lower_95", "spend_landing_upper_95"):
        assert row[name] == pytest.approx(whole)
    assert row["spend_straight_line"] == pytest.approx(whole)
    assert row["above_budget_probability"] == 1.0


def test_on_the_first_day_of_a_month_only_that_day_is_behind() -> None:
    first = dt.date(2026, 6, 1)
    row = paced(date=first)["act_1"]
    assert row["spend_to_date"] == pytest.approx(spent(MADE, first, first))
    assert row["days_left"] == 29


def test_leads_that_are_still_to_come_in_are_counted() -> None:
    inputs = given(MADE)
    read = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + pl.duration(days=1, hours=8)
    fresh = ForecastInputs(
        replace(inputs.figures, metrics=inputs.figures.metrics.with_columns(known_at=read))
    )
    young, final = paced(fresh)["act_1"], paced(inputs)["act_1"]
    assert young["leads_to_date"] == final["leads_to_date"] == final["leads_to_date_final"]
    assert young["leads_to_date_final"] > 1.02 * young["leads_to_date"]
    assert young["leads_landing"] == pytest.approx(young["leads_to_date_final"] + young["leads_rest"])
    assert young["cpl_to_date"] < final["cpl_to_date"]
    over = paced(fresh, date=dt.date(2026, 5, 31))["act_1"]
    assert over["leads_to_date"] < over["leads_landing_lower_95"] < over["leads_landing_upper_95"]


def test_a_campaign_too_young_to_be_forecast_has_its_month_to_date_alone() -> None:
    rows = paced(replace(MADE, begins={"c2": 1}))
    row = rows["c2"]
    assert row["insufficient_data"]
    assert row["spend_to_date"] > 0
    assert all(row[name] is None for name in row if "landing" in name or name.endswith("_rest"))
    assert rows["act_1"]["spend_landing"] > rows["c1"]["spend_landing"] + row["spend_to_date"]


def test_what_delivered_this_month_is_told_of_and_what_did_not_is_not() -> None:
    def stopped(days_ago: int) -> ForecastInputs:
        made = replace(MADE, changes=[Change("spend", "c2", 0.0, first=days_ago)])
        return given(made, versions=[version("c2", days_ago, effective_status="PAUSED")])

    assert "c2" not in paced(stopped(30))
    row = paced(stopped(5))["c2"]
    assert row["spend_rest"] == 0.0
    assert row["spend_landing"] == row["spend_landing_upper_95"] == row["spend_to_date"] > 0


def test_accounts_are_paced_side_by_side_and_levels_are_chosen() -> None:
    both = given(budget_of(5000.0), Made(config_id=2, campaigns=1, seed=8))
    found = pace(forecast_tree(both, D, LEFT), both, ("account", "adset"))
    assert found.select("config_id", "entity_type").unique(maintain_order=True).rows() == [
        (1, "account"),
        (1, "adset"),
        (2, "account"),
        (2, "adset"),
    ]
    alone = paced(budget_of(5000.0))["act_1"]
    assert found.row(0, named=True) == alone


def test_a_forecast_that_ends_before_the_month_is_refused() -> None:
    inputs = given(MADE)
    with pytest.raises(UsageError, match="make it 6 days long"):
        pace(forecast_tree(inputs, D, LEFT - 1), inputs)
