"""Which deviations of a day count: sure enough among all tests of the account, large enough, worth money."""

from dataclasses import dataclass

import numpy as np

from ml_assets.anomalies.likelihood import Tested
from ml_assets.anomalies.panel import Panel
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.anomalies.walk import Day
from ml_assets.features.grid import FloatArray

BAD = {"spend": (-1, 1), "cpm": (1,), "ctr": (-1,), "cvr": (-1,), "cpl": (-1,)}
"""Metric -> signs of (observed - expected) that cost money; `cpl` is of the leads that the spend brought."""

MONEY = ("spend", "cpm")
"""Metrics whose stake is the money they are off by."""

PART_OF_SPEND = 0.02
"""Share of an account's spend a day that stands in for T where no T is known."""

LEAST_SHARE = 0.5
"""Of entities of whom less than so many T is expected the spend alone is tested: it can rise to any sum.

It depends on what was expected alone, so what is left is tested at the same rate (Bourgon et al. 2010)."""

PLAUSIBLE = 0.84
"""Standard deviations of what was expected by which the money at stake may be larger than it seems (80 %)."""

LEAST_RATE = 0.5
"""Share of the change of a rate that its children's own rates explain, at least; the rest is their mix."""

MEASURED = 0.8
"""Share of the exposure that lies in children with an expectation, from which rate and mix are told apart."""

LEADS_TOO = 0.15
"""A fall of leads per click costs something where leads per spend fall by so much too."""


@dataclass
class Stake:
    """What a deviation is worth: arrays (entities,)."""

    money: FloatArray
    leads: FloatArray
    unit: FloatArray
    """T, or what stands in for it."""


@dataclass
class Gated:
    """One metric of one step on one day after the gates: arrays (entities,)."""

    sign: np.ndarray
    """-1, 0 (nothing) or 1: the direction of observed - expected."""
    stake: Stake


def gate(panel: Panel, told: Day, day: int, policy: AnomalyPolicy) -> dict[str, list[Gated]]:
    """Metric -> the gates of each step."""
    units = _units(panel, day)
    counted = _counted(told, units)
    bars = _discovery_bars(panel, told, counted, policy)
    gated: dict[str, list[Gated]] = {}
    for metric, tests in told.items():
        gated[metric] = []
        for index, (step, tested) in enumerate(zip(panel.steps, tests, strict=True)):
            stake = _stake(panel, metric, index, told, day, units[index])
            ratio = _ratio(tested)
            plausible = stake.money + PLAUSIBLE * _spread(metric, tested)
            passes = (
                counted[metric][index]
                & (tested.p_value <= np.minimum(policy.p_value, bars[step.account]))
                & (np.abs(ratio - 1.0) >= policy.least_relative)
                & ((plausible >= policy.least_money * stake.unit) | (stake.leads >= policy.least_leads))
            )
            sign = np.where(passes, np.sign(np.nan_to_num(tested.score)), 0).astype(np.int8)
            if metric == "cvr":
                by_spend = told["cpl"][index]
                harmless = by_spend.is_tested & (_ratio(by_spend) > 1.0 - LEADS_TOO)
                sign[(sign < 0) & harmless] = 0
            if metric != "spend":
                rate = rate_share(panel, tests, index)
                sign[np.nan_to_num(rate, nan=1.0) < LEAST_RATE] = 0
            gated[metric].append(Gated(sign, stake))
    return gated


def _spread(metric: str, tested: Tested) -> FloatArray:
    """Deviation of money that was expected; nothing is added for metrics whose stake is not that money."""
    if metric not in MONEY:
        return np.zeros(tested.expected.size)
    return np.where(tested.is_tested, tested.deviation, 0.0)


def rate_share(panel: Panel, tests: list[Tested], index: int) -> FloatArray:
    """Share of a rate's change that is the children's rates, not their mix: (entities,); NaN where unknown.

    The mix is what the children's own expectations, at the exposure they had, differ from the parent's.
    """
    own = tests[index]
    if index + 1 == len(panel.steps):
        return np.full(own.observed.size, np.nan)
    below, groups = tests[index + 1], panel.steps[index + 1].parent
    expected = groups.total(np.where(below.is_tested, below.expected, 0.0))
    exposure = groups.total(np.where(below.is_tested, below.exposure, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = exposure >= MEASURED * own.exposure
        share = (own.observed - expected * own.exposure / exposure) / (own.observed - own.expected)
    return np.where(measured & own.is_tested, share, np.nan)


def _ratio(tested: Tested) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(tested.is_tested, tested.observed / tested.expected, np.nan)


def _units(panel: Panel, day: int) -> list[FloatArray]:
    """T of each entity; where none is known, a small part of what the account spends a day."""
    spend = panel.steps[0].figures["spend"][:, max(day - 7, 0) : day + 1].mean(axis=1)
    found: list[FloatArray] = []
    for step in panel.steps:
        target = step.target[:, day]
        found.append(np.where(target > 0, target, np.maximum(PART_OF_SPEND * spend[step.account], 1e-6)))
    return found


def _counted(told: Day, units: list[FloatArray]) -> dict[str, list[np.ndarray]]:
    """Metric -> per step which entities' figures are tests of the day: (entities,)."""
    enough = [
        np.nan_to_num(tested.expected) >= LEAST_SHARE * unit
        for tested, unit in zip(told["spend"], units, strict=True)
    ]
    return {
        metric: [
            tested.is_tested if metric == "spend" else tested.is_tested & there
            for tested, there in zip(tests, enough, strict=True)
        ]
        for metric, tests in told.items()
    }


def _discovery_bars(
    panel: Panel, told: Day, counted: dict[str, list[np.ndarray]], policy: AnomalyPolicy
) -> FloatArray:
    """The largest p-value that Benjamini-Hochberg lets through, per account: (accounts,); 0 where none."""
    values: list[FloatArray] = []
    accounts: list[np.ndarray] = []
    for metric, tests in told.items():
        for step, tested, is_test in zip(panel.steps, tests, counted[metric], strict=True):
            values.append(tested.p_value[is_test])
            accounts.append(step.account[is_test])
    p_value, account = np.concatenate(values), np.concatenate(accounts)
    tests = np.bincount(account, minlength=panel.accounts.height)
    # A value above the rate never passes, whatever its rank.
    small = p_value <= policy.false_discovery_rate
    p_value, account = p_value[small], account[small]
    order = np.lexsort((p_value, account))
    p_value, account = p_value[order], account[order]
    found = np.bincount(account, minlength=panel.accounts.height)
    first = np.cumsum(found) - found
    rank = np.arange(p_value.size) - first[account] + 1
    passes = p_value <= policy.false_discovery_rate * rank / tests[account]
    bars = np.zeros(panel.accounts.height)
    np.maximum.at(bars, account[passes], p_value[passes])
    return bars


def _stake(panel: Panel, metric: str, index: int, told: Day, day: int, unit: FloatArray) -> Stake:
    tested, step = told[metric][index], panel.steps[index]
    off = np.abs(np.nan_to_num(tested.observed - tested.expected))
    leads = np.zeros_like(off)
    if metric in MONEY:
        money = off
    elif metric == "ctr":
        lost = np.minimum(np.nan_to_num(np.abs(_ratio(tested) - 1.0)), 1.0)
        money = step.column("spend", day) * lost
    else:
        leads = off / panel.visible[step.account, day]
        money = leads * unit
    return Stake(money, leads, unit)
