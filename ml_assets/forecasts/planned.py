"""What a planned daily budget brings over the next days: spend, leads and cost per lead.

Impressions and clicks are left out: how the price of an impression answers to a budget is not known well
enough to put a number on it.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from ml_assets.errors import NotReadyError, UsageError
from ml_assets.features.grid import FloatArray
from ml_assets.forecasts.forecast import TreeForecast
from ml_assets.forecasts.frames import PLANNED, QUANTILES
from ml_assets.forecasts.rows import MEDIAN, path_quantiles
from ml_assets.frames import conform

ELASTICITY, ELASTICITY_SD = 0.8, 0.15
"""d ln leads / d ln spend, as the policy of recommendations has it."""

MOST_ELASTICITY = 1.2
"""Answers are taken to lie between none at all and a little more than proportional."""

FAR = 3.0
"""A budget this many times what is spent now, up or down, is beyond what anybody has seen of the entity."""

SEED = 60
_STEPS = 60


@dataclass(frozen=True)
class PlannedBudget:
    """What a daily budget brings over the horizon of a forecast."""

    daily_budget: float
    days: int
    share_spent: float
    """Share of the budget that is taken to be spent."""
    is_share_known: bool
    """The share is that of the last days; else all of the budget is taken to be spent."""
    times_recent: float | None
    """Planned spend a day over that of the last days; None where nothing was spent."""
    elasticity: float
    elasticity_sd: float
    totals: pl.DataFrame
    """PLANNED."""

    @property
    def is_extrapolation(self) -> bool:
        """So far from what is spent now that the answer to it is a guess."""
        return self.times_recent is None or not 1.0 / FAR <= self.times_recent <= FAR


def plan_budget(
    forecast: TreeForecast,
    row: int,
    daily_budget: float,
    *,
    share_spent: float | None = None,
    recent_spend: float | None = None,
    elasticity: float = ELASTICITY,
    elasticity_sd: float = ELASTICITY_SD,
) -> PlannedBudget:
    """What `daily_budget`, in money a day, brings one node (a row of `TreeForecast.mean`) over the horizon.

    Spend is `share_spent` (of `BudgetUse`; None or NaN: all) of the budget, spread over the days and the
    sample paths as the forecast's, and never above the budget in total. Leads are the forecast's times
    (planned / forecast spend) ^ e, with e drawn for each sample path from a normal distribution
    (`elasticity`, `elasticity_sd`) cut to [0, 1.2]: where the planned spend is the forecast's, they are the
    forecast's. The same call gives the same numbers.

    Raises UsageError for a budget that is not above 0, NotReadyError for an entity whose data are
    insufficient or whose forecast is no spend at all, since nothing says what money would bring it.
    """
    if not (math.isfinite(daily_budget) and daily_budget > 0):
        raise UsageError(f"A planned daily budget is an amount above 0, not {daily_budget:g}.")
    mean = {metric: float(forecast.mean[metric][row].sum()) for metric in ("spend", "leads")}
    if forecast.is_insufficient[row]:
        raise NotReadyError(
            "The data are insufficient: an entity needs three days of history before anything can be said of "
            "what a budget brings it."
        )
    if not mean["spend"] > 0:
        raise NotReadyError(
            "The forecast is that nothing is spent, as of an entity that does not run: nothing says what a "
            "budget would bring it. Ask for what it belongs to, or start it first."
        )
    known = share_spent is not None and math.isfinite(share_spent) and share_spent > 0
    share = min(float(share_spent), 1.0) if known and share_spent is not None else 1.0
    budget = daily_budget * forecast.horizon
    growth = share * budget / mean["spend"]
    sampled = forecast.sample(np.array([row]))
    paths = {metric: sampled[metric].sum(axis=2)[0] for metric in mean}
    powers = growth ** _elasticities(elasticity, elasticity_sd, forecast.paths)
    spend = _below(paths["spend"], budget, share)
    leads = paths["leads"] * powers
    value = {"spend": share * budget, "leads": mean["leads"] * float(powers.mean())}
    bounds = {name: _bounds(figures) for name, figures in (("spend", spend), ("leads", leads))}
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds["cpl"] = _bounds(spend / leads)
    bounds["leads"] = np.where(
        np.array(list(QUANTILES.values())) < MEDIAN, np.floor(bounds["leads"]), np.ceil(bounds["leads"])
    )
    totals = pl.DataFrame(
        {
            "target_metric": ["spend", "leads", "cpl"],
            "value": [value["spend"], value["leads"], _cpl(value)],
            **{
                name: [_number(bounds[metric][place]) for metric in ("spend", "leads", "cpl")]
                for place, name in enumerate(QUANTILES)
            },
            "unplanned_value": [mean["spend"], mean["leads"], _cpl(mean)],
        }
    )
    times = None if not recent_spend else value["spend"] / forecast.horizon / recent_spend
    return PlannedBudget(
        daily_budget=daily_budget,
        days=forecast.horizon,
        share_spent=share,
        is_share_known=known,
        times_recent=times,
        elasticity=elasticity,
        elasticity_sd=elasticity_sd,
        totals=conform(totals, PLANNED, "planned budget"),
    )


def _elasticities(mean: float, deviation: float, count: int) -> FloatArray:
    """Evenly spaced quantiles of the cut normal distribution, in an order of their own."""
    if deviation <= 0:
        return np.full(count, np.clip(mean, 0.0, MOST_ELASTICITY))
    low, high = ndtr((np.array([0.0, MOST_ELASTICITY]) - mean) / deviation)
    level = low + (high - low) * (np.arange(count) + 0.5) / count
    order = np.random.default_rng(SEED).permutation(count)
    return (mean + deviation * ndtri(level))[order]


def _below(paths: FloatArray, budget: float, share: float) -> FloatArray:
    """The paths scaled, and cut at the budget, so that their mean is that share of the budget."""
    if share >= 1.0 or (paths > 0).mean() <= share:
        return np.full(paths.shape, share * budget)
    low, high = 0.0, budget / float(paths[paths > 0].min())
    for _ in range(_STEPS):  # the mean grows with the factor
        factor = (low + high) / 2.0
        if np.minimum(factor * paths, budget).mean() < share * budget:
            low = factor
        else:
            high = factor
    return np.minimum(high * paths, budget)


def _bounds(paths: FloatArray) -> FloatArray:
    return path_quantiles(paths[None, :, None], list(QUANTILES.values()))[0, 0]


def _cpl(totals: dict[str, float]) -> float | None:
    return totals["spend"] / totals["leads"] if totals["leads"] > 0 else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
