"""Where a month stands and where it ends: figures to date, the forecast of the days left, and the budget."""

import calendar
import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.errors import UsageError
from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.budget_use import BudgetUse, budget_use
from ml_assets.forecasts.distribution import quantile
from ml_assets.forecasts.forecast import TreeForecast
from ml_assets.forecasts.frames import PACING, QUANTILES
from ml_assets.forecasts.inputs import ForecastInputs
from ml_assets.forecasts.rows import chunks, path_quantiles
from ml_assets.forecasts.tree import ACCOUNT, ForecastTree, Step
from ml_assets.frames import conform, empty

PACED = (ACCOUNT, EntityType.CAMPAIGN.value)
"""Steps of the tree that are paced unless others are asked for."""

SEED = 61

_METRICS = ("spend", "leads")


def days_left(date: dt.date) -> int:
    """Days of the month that come after `date`; 0 on its last day."""
    return calendar.monthrange(date.year, date.month)[1] - date.day


def pace(forecast: TreeForecast, inputs: ForecastInputs, steps: Sequence[str] = PACED) -> pl.DataFrame:
    """The month of the forecast date, in PACING: entities that are active or delivered in it, sorted by key.

    `steps` are names of steps of the tree: account, campaign, adset, ad. Leads to date count as they will be
    when final, and the intervals hold what is not known of that. On the last day of a month nothing is left:
    the next month is not paced. What is unattributed to any entity counts in the figures of its parent alone.

    Raises UsageError where the horizon of the forecast ends before the month does.
    """
    tree = forecast.tree
    left = days_left(tree.date)
    if forecast.horizon < left:
        raise UsageError(
            f"{left} days of the month are left and the forecast has {forecast.horizon}: "
            f"make it {left} days long."
        )
    use = budget_use(forecast, inputs)
    parts = [empty(PACING)]
    for index, step in enumerate(tree.steps):
        if step.name in steps:
            rows = forecast.offsets[index] + np.flatnonzero(_is_told(step, tree.date))
            parts.extend(_paced(forecast, use, index, part, left) for part in chunks(forecast, rows))
    by_step = pl.col("entity_type").replace_strict(
        {step.name: place for place, step in enumerate(tree.steps)}, return_dtype=pl.Int64
    )
    return pl.concat(parts).sort("config_id", by_step, "entity_id")


def _is_told(step: Step, date: dt.date) -> np.ndarray:
    month = slice(-date.day, None)
    delivered = (step.values["spend"][:, month] > 0) | (step.values["impressions"][:, month] > 0)
    runs = step.is_active[:, -1] & (step.first < step.is_active.shape[1])
    return (runs | delivered.any(axis=1)) & ~step.is_unattributed


def _paced(forecast: TreeForecast, use: BudgetUse, index: int, rows: IntArray, left: int) -> pl.DataFrame:
    """PACING of some nodes of one account and step."""
    tree = forecast.tree
    step, date = tree.steps[index], tree.date
    nodes = rows - forecast.offsets[index]
    known = ~forecast.is_insufficient[rows]
    to_date = _to_date(tree, step, nodes)
    sampled = forecast.sample(rows)
    paths = {metric: sampled[metric][:, :, :left].sum(axis=2) for metric in _METRICS}
    paths["spend"] += to_date["spend"][:, None]
    late = to_date["final"] - to_date["leads"]
    paths["leads"] += to_date["leads"][:, None] + _late(late, forecast.paths)
    rest = {metric: forecast.mean[metric][rows, :left].sum(axis=1) for metric in _METRICS}
    so_far = {"spend": to_date["spend"], "leads": to_date["final"]}
    landing = {metric: so_far[metric] + rest[metric] for metric in _METRICS}
    whole_month = (date.day + left) / date.day
    budget, is_monthly = _budgets(forecast, use, index, nodes, date.day + left)
    columns: dict[str, FloatArray] = {
        "spend_to_date": to_date["spend"],
        "leads_to_date": to_date["leads"],
        "leads_to_date_final": to_date["final"],
        "cpl_to_date": _ratio(to_date["spend"], to_date["final"]),
        "budget": budget,
        "budget_share_to_date": to_date["spend"] / budget,
    }
    for metric in _METRICS:
        columns[f"{metric}_rest"] = rest[metric]
        columns[f"{metric}_landing"] = landing[metric]
        columns[f"{metric}_straight_line"] = so_far[metric] * whole_month
    columns["cpl_landing"] = _ratio(landing["spend"], landing["leads"])
    for metric, figures in (*paths.items(), ("cpl", _ratio(paths["spend"], paths["leads"]))):
        found = path_quantiles(figures[:, :, None], list(QUANTILES.values()))[:, 0]
        columns |= {f"{metric}_landing_{name}": found[:, place] for place, name in enumerate(QUANTILES)}
    above = np.where(np.isnan(budget), np.nan, (paths["spend"] > budget[:, None]).mean(axis=1))
    columns["above_budget_probability"] = above
    columns["budget_share_landing"] = landing["spend"] / budget
    unknown = {
        name
        for name in columns
        if "landing" in name or name.endswith("_rest") or name == "above_budget_probability"
    }
    frame = step.keys[nodes].with_columns(
        pl.lit(step.name).alias("entity_type"),
        pl.lit(date.replace(day=1)).alias("month"),
        pl.lit(date).alias("forecast_date"),
        pl.lit(left, pl.Int64).alias("days_left"),
        pl.Series("insufficient_data", ~known),
        pl.Series("budget_source", np.where(is_monthly, "monthly_budget", "daily_budget")),
        *(
            _number(np.where(known, values, np.nan) if name in unknown else values, name)
            for name, values in columns.items()
        ),
    )
    sourced = pl.when(pl.col("budget").is_not_null()).then("budget_source").alias("budget_source")
    return conform(frame.with_columns(sourced), PACING, "pacing")


def _to_date(tree: ForecastTree, step: Step, nodes: IntArray) -> dict[str, FloatArray]:
    """Spend and leads of the month so far, and `final`, what the leads come to when all are in: (nodes,)."""
    month = slice(-tree.date.day, None)
    spend, leads = (np.nan_to_num(step.values[metric][nodes, month]) for metric in _METRICS)
    exposure = tree.exposure[step.account[nodes], month]
    return {
        "spend": spend.sum(axis=1),
        "leads": leads.sum(axis=1),
        "final": (leads / exposure).sum(axis=1),
    }


def _late(mean: FloatArray, paths: int) -> FloatArray:
    """Leads still to come in, Poisson around their mean, on each path: (nodes, paths)."""
    levels = np.random.default_rng(SEED).permutation((np.arange(paths) + 0.5) / paths)
    return quantile(levels, np.maximum(mean, 0.0), np.zeros(mean.shape), is_count=True)


def _budgets(
    forecast: TreeForecast, use: BudgetUse, index: int, nodes: IntArray, days: int
) -> tuple[FloatArray, np.ndarray]:
    """Budget of the month (nodes,), NaN where there is none, and whether it was set for the month.

    A daily budget is taken for every day of the month where the entity runs and did so before the month.
    """
    tree = forecast.tree
    step = tree.steps[index]
    if step.name == ACCOUNT:
        monthly = tree.accounts["monthly_budget"].cast(pl.Float64).fill_null(np.nan).to_numpy()[nodes]
        return np.where(monthly > 0, monthly, np.nan), np.ones(nodes.shape, dtype=bool)
    daily = use.daily_budget[forecast.offsets[index] + nodes]
    began_before = step.first[nodes] <= tree.days - tree.date.day
    return np.where(began_before, daily * days, np.nan), np.zeros(nodes.shape, dtype=bool)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Infinite where only the denominator is 0, NaN where both are."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return above / below


def _number(values: FloatArray, name: str) -> pl.Series:
    """Null where a figure is undefined or has no bound."""
    return pl.Series(name, np.where(np.isfinite(values), values, np.nan)).fill_nan(None)
