"""Forecasts of whole accounts: they add up, say how sure they are, and know no more than their date did."""

import datetime as dt
import json
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from ml_assets.entities import EntityType
from ml_assets.errors import UsageError
from ml_assets.forecasts.candidates import ForecastPolicy
from ml_assets.forecasts.forecast import TreeForecast, forecast_tree
from ml_assets.forecasts.frames import COUNTS, METRICS, QUANTILES, RATIOS, UNATTRIBUTED
from ml_assets.forecasts.inputs import ForecastInputs
from ml_assets.forecasts.make import Forecasts, make_forecasts
from ml_assets.forecasts.tree import build_tree
from ml_assets_tests.anomalies.accounts_made import LEVELS, Change, D, Made, back, inputs_of
from ml_assets_tests.features.frames_made import Row, campaign

HORIZON = 10
WEEKDAYS = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5)
MADE = Made(campaigns=3, adsets=2, ads=3, seed=3, weekdays=WEEKDAYS, noise=0.2)


def given(*made: Made, versions: list[Row] | None = None) -> ForecastInputs:
    return ForecastInputs(inputs_of(*made, versions=versions or []).figures)


@lru_cache(maxsize=8)
def made_of(made: Made = MADE, date: dt.date = D, horizon: int = HORIZON) -> dict[EntityType, Forecasts]:
    return {level: make_forecasts(given(made), level, [date], horizon) for level in LEVELS}


def value(found: Forecasts, entity_id: str, metric: str = "spend") -> float:
    rows = found.points.filter(pl.col("entity_id") == entity_id, pl.col("target_metric") == metric)
    return float(rows["predicted_value"].sum())


def mean(forecast: TreeForecast, entity_id: str, metric: str = "spend") -> np.ndarray:
    ids = np.concatenate([step.keys["entity_id"].to_numpy() for step in forecast.tree.steps])
    return forecast.mean[metric][np.flatnonzero(ids == entity_id)[0]]


# ------------------------------------------------------------------------------------- adding up


def gaps(found: dict[EntityType, Forecasts]) -> list[float]:
    """Of every parent, metric and day: how far the children's sum is from its own forecast."""
    key = ["config_id", "target_metric", "target_date"]
    differences: list[float] = []
    for above, below in pairwise(LEVELS):
        parents = found[below].forecasts.select("config_id", "entity_id", "target_metric", "parent_id")
        children = (
            found[below]
            .points.filter(pl.col("target_metric").is_in(METRICS))
            .join(parents, on=["config_id", "entity_id", "target_metric"])
            .group_by(*key, "parent_id")
            .agg(pl.col("predicted_value").sum())
        )
        both = children.join(
            found[above].points, left_on=[*key, "parent_id"], right_on=[*key, "entity_id"], suffix="_above"
        )
        assert both.height
        differences += (both["predicted_value"] - both["predicted_value_above"]).abs().to_list()
    return differences


def test_children_add_up_to_their_parents_on_every_day_and_metric() -> None:
    assert max(gaps(made_of())) <= 1e-6


def test_every_level_of_every_metric_has_the_days_asked_for() -> None:
    for level, found in made_of().items():
        assert found.forecasts["entity_type"].unique().to_list() == [level.value]
        assert found.points["target_date"].unique().sort().to_list() == [
            D + dt.timedelta(days=ahead) for ahead in range(1, HORIZON + 1)
        ]
        sizes = found.points.group_by("entity_id", "target_metric").len()["len"]
        assert sizes.unique().to_list() == [HORIZON]
        assert found.forecasts.height == sizes.len()


def test_figures_are_never_negative_and_bounds_are_in_order() -> None:
    for found in made_of().values():
        points = found.points
        for name in ("predicted_value", *QUANTILES):
            assert (points[name].drop_nulls() >= 0).all()
            assert points[name].drop_nulls().is_finite().all()
        ordered = points.drop_nulls(["upper_80", "upper_95"])
        assert (ordered["lower_95"] <= ordered["lower_80"]).all()
        assert (ordered["lower_80"] <= ordered["upper_80"]).all()
        assert (ordered["upper_80"] <= ordered["upper_95"]).all()


def test_bounds_of_counts_are_integers() -> None:
    for found in made_of().values():
        counts = found.points.filter(pl.col("target_metric").is_in(COUNTS))
        for name in QUANTILES:
            assert (counts[name] == counts[name].round()).all()


def test_a_ratio_is_that_of_the_means_and_its_total_that_of_the_totals() -> None:
    found = made_of()[EntityType.CAMPAIGN]
    wide = found.points.pivot(
        on="target_metric", index=["entity_id", "target_date"], values="predicted_value"
    )
    totals = found.forecasts.pivot(on="target_metric", index="entity_id", values="total_value")
    for ratio, (above, below, factor) in RATIOS.items():
        for frame in (wide, totals):
            assert frame[ratio].to_list() == pytest.approx((frame[above] / frame[below] * factor).to_list())


def test_totals_are_narrower_than_the_sums_of_the_days_bounds() -> None:
    found = made_of()[EntityType.CAMPAIGN]
    spend = pl.col("target_metric") == "spend"
    days = found.points.filter(spend).group_by("entity_id").agg(pl.col("lower_80", "upper_80").sum())
    both = found.forecasts.filter(spend).join(days, on="entity_id")
    assert (both["total_upper_80"] - both["total_lower_80"] < both["upper_80"] - both["lower_80"]).all()
    assert (both["total_lower_80"] < both["total_value"]).all()
    assert (both["total_value"] < both["total_upper_80"]).all()


# --------------------------------------------------------------------------------- what is known


def test_weekends_of_an_account_that_is_quiet_on_weekends_are_forecast_quiet() -> None:
    points = made_of()[EntityType.CAMPAIGN].points.filter(pl.col("target_metric") == "spend")
    by_day = points.group_by(pl.col("target_date").dt.weekday() > 5).agg(pl.col("predicted_value").mean())
    level = dict(by_day.iter_rows())
    assert level[True] == pytest.approx(level[False] / 2, rel=0.15)


def test_days_after_the_date_are_not_looked_at() -> None:
    earlier = back(20)
    whole = given(MADE)
    cut = ForecastInputs(
        replace(whole.figures, metrics=whole.figures.metrics.filter(pl.col("date") <= earlier))
    )
    for level in LEVELS:
        one, other = (make_forecasts(inputs, level, [earlier], HORIZON) for inputs in (whole, cut))
        assert one.points.equals(other.points)
        assert one.forecasts.equals(other.forecasts)


def test_another_account_changes_nothing() -> None:
    other = replace(MADE, config_id=2, seed=11, campaigns=2, spend=200.0, account={"account_id": "act_2"})
    for level in LEVELS:
        alone = make_forecasts(given(MADE), level, [D], HORIZON)
        both = make_forecasts(given(MADE, other), level, [D], HORIZON)
        assert both.points.filter(pl.col("config_id") == 1).equals(alone.points)
        assert set(both.points["config_id"]) == {1, 2}


def test_a_date_among_many_is_as_that_date_alone() -> None:
    dates = [back(9), back(8), D]
    many = make_forecasts(given(MADE), EntityType.ADSET, dates, HORIZON)
    for date in dates:
        alone = make_forecasts(given(MADE), EntityType.ADSET, [date], HORIZON)
        assert many.points.filter(pl.col("forecast_date") == date).equals(alone.points)


def test_the_order_of_the_figures_does_not_matter() -> None:
    shuffled = given(MADE)
    shuffled = ForecastInputs(
        replace(
            shuffled.figures,
            metrics=shuffled.figures.metrics.sample(fraction=1.0, shuffle=True, seed=1),
            entities=shuffled.figures.entities.sample(fraction=1.0, shuffle=True, seed=2),
        )
    )
    found = make_forecasts(shuffled, EntityType.AD, [D], HORIZON)
    assert found.points.equals(made_of()[EntityType.AD].points)


# --------------------------------------------------------------------------- edits and launches


def version(entity_id: str, days_ago: int, **fields: object) -> Row:
    return {
        "config_id": 1,
        "entity_type": "campaign",
        "entity_id": entity_id,
        "known_at": dt.datetime.combine(back(days_ago), dt.time(12), tzinfo=dt.UTC),
        "fields": json.dumps(fields),
    }


def test_a_paused_campaign_and_all_below_it_is_forecast_zero_and_the_rest_goes_on() -> None:
    made = replace(MADE, changes=[Change("spend", "c2", 0.0, first=0)])
    versions = [
        version("c2", 80, effective_status="ACTIVE", daily_budget=400.0),
        version("c2", 0, effective_status="PAUSED", daily_budget=400.0),
    ]
    inputs = given(made, versions=versions)
    levels = {level: make_forecasts(inputs, level, [D], HORIZON) for level in LEVELS}
    assert value(levels[EntityType.CAMPAIGN], "c2") == 0.0
    assert value(levels[EntityType.AD], "c2s1a1") == 0.0
    assert max(gaps(levels)) <= 1e-6
    calm = value(made_of()[EntityType.CAMPAIGN], "c1")
    assert value(levels[EntityType.CAMPAIGN], "c1") == pytest.approx(calm, rel=0.1)


def test_a_budget_doubled_today_doubles_what_is_forecast_below_it() -> None:
    versions = [
        version("c1", 80, effective_status="ACTIVE", daily_budget=400.0),
        version("c1", 0, effective_status="ACTIVE", daily_budget=800.0),
    ]
    edited = forecast_tree(given(MADE, versions=versions), D, HORIZON)
    calm = forecast_tree(given(MADE), D, HORIZON)
    for entity_id in ("c1", "c1s1", "c1s1a1"):
        ratio = mean(edited, entity_id).sum() / mean(calm, entity_id).sum()
        assert ratio == pytest.approx(2.0, rel=0.15), entity_id
    assert mean(edited, "c2").sum() == pytest.approx(mean(calm, "c2").sum(), rel=0.1)


def test_with_under_three_days_there_are_no_numbers_and_the_parent_still_adds_up() -> None:
    made = replace(MADE, begins={"c1s1a1": 1})
    found = {level: make_forecasts(given(made), level, [D], HORIZON) for level in LEVELS}
    of_ad = found[EntityType.AD].forecasts.filter(pl.col("entity_id") == "c1s1a1")
    assert of_ad["insufficient_data"].all()
    assert of_ad["total_value"].null_count() == of_ad.height
    assert found[EntityType.AD].points.filter(pl.col("entity_id") == "c1s1a1").is_empty()
    rest = found[EntityType.AD].points.filter(pl.col("entity_id") == f"{UNATTRIBUTED}c1s1")
    assert rest.height == HORIZON * (len(METRICS) + len(RATIOS))
    assert max(gaps(found)) <= 1e-6


def test_with_under_fourteen_days_the_shape_is_the_parents() -> None:
    made = replace(MADE, begins={"c1s1a1": 6})
    found = make_forecasts(given(made), EntityType.AD, [D], HORIZON)
    own = found.forecasts.filter(pl.col("entity_id") == "c1s1a1")
    assert own["method"].unique().to_list() == ["borrowed"]
    assert not own["insufficient_data"].any()
    points = found.points.filter(pl.col("entity_id") == "c1s1a1", pl.col("target_metric") == "spend")
    by_day = points.group_by(pl.col("target_date").dt.weekday() > 5).agg(pl.col("predicted_value").mean())
    level = dict(by_day.iter_rows())
    assert level[True] < 0.7 * level[False]


def test_what_the_children_lack_is_a_child_of_its_own() -> None:
    inputs = given(MADE)
    lacking = inputs.figures.metrics.with_columns(
        pl.when(pl.col("entity_id") == "c1").then(pl.col("spend") * 1.5).otherwise("spend").alias("spend")
    )
    inputs = ForecastInputs(replace(inputs.figures, metrics=lacking))
    found = {level: make_forecasts(inputs, level, [D], HORIZON) for level in LEVELS}
    adsets, campaigns = found[EntityType.ADSET], found[EntityType.CAMPAIGN]
    assert value(adsets, f"{UNATTRIBUTED}c1") == pytest.approx(value(campaigns, "c1") / 3, rel=0.15)
    assert max(gaps(found)) <= 1e-6


def test_leads_that_are_still_to_come_are_counted_as_coming() -> None:
    inputs = given(MADE)
    read = pl.col("date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC") + pl.duration(days=1, hours=8)
    fresh = ForecastInputs(
        replace(inputs.figures, metrics=inputs.figures.metrics.with_columns(known_at=read))
    )
    exposure = build_tree(fresh, D).exposure[0]
    assert exposure[-1] < exposure[-2] < exposure[-8] < 1.0
    assert exposure[-40] == 1.0
    young, final = (forecast_tree(each, D, HORIZON) for each in (fresh, inputs))
    assert mean(young, "c1", "leads").sum() > 1.01 * mean(final, "c1", "leads").sum()
    assert mean(young, "c1").sum() == pytest.approx(mean(final, "c1").sum())


def test_an_account_with_a_week_of_history_is_forecast_without_a_backtest() -> None:
    made = replace(MADE, days=7)
    found = make_forecasts(given(made), EntityType.CAMPAIGN, [D], HORIZON)
    assert found.forecasts["method"].unique().to_list() == ["borrowed"]
    spent = inputs_of(made).figures.metrics.filter(pl.col("entity_id") == "c1")["spend"].mean()
    assert isinstance(spent, float)
    assert value(found, "c1") == pytest.approx(spent * HORIZON, rel=0.3)
    widths = found.points.filter(pl.col("target_metric") == "spend")
    assert (widths["upper_80"] > widths["lower_80"]).all()


def test_an_entity_that_never_delivered_has_no_forecast() -> None:
    inputs = inputs_of(MADE, entities=[*MADE.entities(), campaign("c9", name="c9")])
    found = make_forecasts(ForecastInputs(inputs.figures), EntityType.CAMPAIGN, [D], HORIZON)
    assert "c9" not in found.forecasts["entity_id"].to_list()


# ------------------------------------------------------------------------------------ how sure


@pytest.mark.parametrize("metric", METRICS)
def test_eighty_percent_of_days_fall_within_the_eighty_percent_intervals(metric: str) -> None:
    """Randomised PIT: a count that falls on a bound is inside by the bound's share."""
    inside: list[np.ndarray] = []
    for seed in range(4):
        made = replace(MADE, seed=seed, days=120, noise=0.3)
        inputs = given(made)
        inside += [_inside(inputs, back(ago), metric) for ago in (10, 24, 38)]
    share = float(np.concatenate(inside).mean())
    assert 0.75 < share < 0.85


def _inside(inputs: ForecastInputs, date: dt.date, metric: str) -> np.ndarray:
    points = make_forecasts(inputs, EntityType.AD, [date], HORIZON).points.filter(
        pl.col("target_metric") == metric
    )
    came = inputs.figures.metrics.select("entity_id", target_date="date", actual=metric)
    both = points.join(came, on=["entity_id", "target_date"], how="left").with_columns(
        pl.col("actual").fill_null(0)
    )
    return both.select(
        pl.when(pl.col("actual") == pl.col("lower_80"))
        .then("inside_lower_80")
        .when(pl.col("actual") == pl.col("upper_80"))
        .then("inside_upper_80")
        .otherwise(pl.col("actual").is_between("lower_80", "upper_80").cast(pl.Float64))
    ).to_numpy()


# ------------------------------------------------------------------------------------ choosing


def test_the_errors_and_weights_of_all_candidates_are_told() -> None:
    told = made_of()[EntityType.CAMPAIGN].forecasts.filter(pl.col("target_metric") == "leads")
    backtest = told["backtest"].str.json_decode(
        pl.Struct(
            {
                "origins": pl.Int64(),
                "mase": pl.Struct({"combined": pl.Float64(), "smoothing": pl.Float64()}),
                "weights": pl.Struct(dict.fromkeys(ForecastPolicy().methods, pl.Float64())),
            }
        )
    )
    rows = backtest.struct.unnest()
    assert (rows["origins"] > 2).all()
    assert (rows["mase"].struct.field("combined") > 0).all()
    weights = rows["weights"].struct.unnest()
    assert weights.sum_horizontal().to_list() == pytest.approx([1.0] * rows.height, abs=0.01)


def test_one_method_alone_can_be_asked_for() -> None:
    policy = ForecastPolicy(methods=("seasonal_naive",))
    found = make_forecasts(given(MADE), EntityType.CAMPAIGN, [D], HORIZON, policy)
    own = found.forecasts.filter(pl.col("target_metric").is_in(METRICS))
    assert own["method"].unique().to_list() == ["seasonal_naive"]


def test_a_method_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no forecasting method magic; choose among smoothing"):
        make_forecasts(given(MADE), EntityType.AD, [D], HORIZON, ForecastPolicy(methods=("magic",)))


@pytest.mark.parametrize("horizon", [0, 91])
def test_a_horizon_out_of_bounds_is_refused(horizon: int) -> None:
    with pytest.raises(UsageError, match="choose 1 to 90"):
        make_forecasts(given(MADE), EntityType.AD, [D], horizon)


def test_ninety_days_ahead_are_forecast_too() -> None:
    found = {level: made_of(horizon=90)[level] for level in LEVELS}
    assert found[EntityType.CAMPAIGN].points["target_date"].max() == D + dt.timedelta(days=90)
    assert max(gaps(found)) <= 1e-6
