"""Siblings compared on every date: who leads, who trails, and what it would pay to know.

All matrices are (entities, dates) of one level; rates are Gamma posteriors of r = T / CPL.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, polygamma, psi

from ml_assets.features.grid import FloatArray, Groups, IntArray
from ml_assets.features.shrinkage import Posterior
from ml_assets.features.siblings import rank_probabilities
from ml_assets.features.trends import below_probability

NOBODY = -1
_TINY = 1e-9
_Z_99 = 2.3263478740408408
_LEAST_DIFFERENCE = float(np.log(1.1))
"""Two ads that differ by less than a tenth are the same for a test."""


@dataclass(frozen=True)
class Comparison:
    """Every entity against its siblings; NaN where it has none that deliver."""

    rival: IntArray
    """Row of the best other sibling, `NOBODY` without one."""
    company: FloatArray
    """Delivering siblings, itself not counted."""
    beats: FloatArray
    """P(own lead rate > the rival's)."""
    best: FloatArray
    """P(best of its siblings), where it can matter: NaN where it is below the asked bar on every date."""
    worst: FloatArray
    uplift: FloatArray
    """1 - rival's posterior mean over its own: how much cheaper than the best other sibling."""
    others_mean: FloatArray
    """Exposure-weighted posterior mean of the siblings."""


def compare(
    rates: Posterior, exposure: FloatArray, eligible: np.ndarray, parent: Groups, bar: float, floor: float
) -> Comparison:
    """Compare siblings among the `eligible`.

    P(best) and P(worst) are integrated only in groups in which somebody can reach `bar` on some date, and on
    dates on which somebody can reach `floor`: P(best) is never above P(beating one of the others).
    """
    mean = rates.mean
    first, second = leaders(mean, eligible, parent)
    last, last_but_one = leaders(-mean, eligible, parent)
    rows = np.arange(mean.shape[0])[:, None]
    rival = np.where(parent.spread(first) == rows, parent.spread(second), parent.spread(first))
    rival = np.where(eligible, rival, NOBODY)
    met = rival != NOBODY
    column = np.broadcast_to(np.arange(mean.shape[1]), mean.shape)
    beats = np.full(mean.shape, np.nan)
    beats[met] = below_probability(
        rates.shape[rival[met], column[met]],
        rates.rate[rival[met], column[met]],
        rates.shape[met],
        rates.rate[met],
    )
    best = np.full(mean.shape, np.nan)
    worst = np.full(mean.shape, np.nan)
    leads = _pair_probability(rates, second, first)
    trails = _pair_probability(rates, last, last_but_one)
    for bound, target, position in ((leads, best, 0), (trails, worst, 1)):
        hopeful = np.any(bound >= bar, axis=1, keepdims=True) & (bound >= floor)
        chosen = eligible & parent.spread(hopeful)
        if chosen.any():
            target[:] = rank_probabilities(rates.shape, rates.rate, chosen, parent)[position]
    uplift = np.full(mean.shape, np.nan)
    uplift[met] = 1.0 - mean[rival[met], column[met]] / mean[met]
    weight = np.where(eligible, exposure, 0.0)
    others = parent.spread(parent.total(weight)) - weight
    pooled = parent.spread(parent.total(weight * mean)) - weight * mean
    return Comparison(
        rival=rival,
        company=np.where(
            eligible, parent.spread(parent.total(eligible.astype(np.float64))) - eligible, np.nan
        ),
        beats=beats,
        best=best,
        worst=worst,
        uplift=uplift,
        others_mean=np.divide(pooled, others, out=np.full_like(pooled, np.nan), where=others > _TINY),
    )


def leaders(score: FloatArray, eligible: np.ndarray, parent: Groups) -> tuple[IntArray, IntArray]:
    """Rows of the highest and second highest score of each group and date: (groups, dates), or `NOBODY`."""
    first = np.full((parent.count, score.shape[1]), NOBODY, dtype=np.int64)
    second = first.copy()
    for date in range(score.shape[1]):
        rows = np.flatnonzero(eligible[:, date])
        if not rows.size:
            continue
        rows = rows[np.lexsort((rows, -score[rows, date], parent.index[rows]))]
        group = parent.index[rows]
        starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
        first[group[starts], date] = rows[starts]
        follows = starts + 1
        inside = follows < rows.size
        inside[inside] = group[follows[inside]] == group[starts[inside]]
        second[group[starts[inside]], date] = rows[follows[inside]]
    return first, second


def _pair_probability(rates: Posterior, lower: IntArray, upper: IntArray) -> FloatArray:
    """P(rate of `lower` < rate of `upper`), rows per group and date; 0 where one of them is nobody."""
    both = (lower != NOBODY) & (upper != NOBODY)
    date = np.broadcast_to(np.arange(lower.shape[1]), lower.shape)[both]
    probability = np.zeros(lower.shape)
    probability[both] = below_probability(
        rates.shape[lower[both], date],
        rates.rate[lower[both], date],
        rates.shape[upper[both], date],
        rates.rate[upper[both], date],
    )
    return probability


@dataclass(frozen=True)
class TestValue:
    """What comparing an ad with its rival until it is decided would bring and take; NaN without a rival."""

    leads: FloatArray
    """Leads per arm until a difference of the expected size shows with 99 %."""
    missing: FloatArray
    """Leads that both arms still lack, together."""
    gain: FloatArray
    """Expected rise of the lead rate r when the better of the two is known."""
    loss: FloatArray
    """Fall of r while half of the money goes to what seems the worse one."""
    differs: FloatArray
    """P(the two differ by more than a tenth)."""


def value_of_test(rates: Posterior, leads: FloatArray, rival: IntArray, where: np.ndarray) -> TestValue:
    """The value of information of a test of each entity against its rival, `where` one is thought of.

    Expected gain E[max(0, D)], D = own rate - rival's, by the normal approximation with the moments of the
    Gamma posteriors (Raiffa and Schlaifer 1961, unit normal loss). Leads per arm: two Poisson counts a and b
    at equal exposure tell a log ratio with variance 1/a + 1/b.
    """
    met = (rival != NOBODY) & where
    date = np.broadcast_to(np.arange(rival.shape[1]), rival.shape)[met]
    other = rival[met]
    shape, rate = rates.shape[met], rates.rate[met]
    other_shape, other_rate = rates.shape[other, date], rates.rate[other, date]
    mean, other_mean = shape / rate, other_shape / other_rate
    spread = np.sqrt(shape / rate**2 + other_shape / other_rate**2)
    distance = mean - other_mean
    unit = distance / spread
    density = np.exp(-0.5 * unit**2) / np.sqrt(2 * np.pi)
    gain = spread * density + distance * ndtr(unit) - np.maximum(distance, 0.0)
    log_distance = (psi(shape) - np.log(rate)) - (psi(other_shape) - np.log(other_rate))
    log_spread = np.sqrt(polygamma(1, shape) + polygamma(1, other_shape))
    size = np.maximum(np.sqrt(log_distance**2 + log_spread**2), _LEAST_DIFFERENCE)
    per_arm = 2.0 * (_Z_99 / size) ** 2
    missing = np.maximum(per_arm - leads[met], 0.0) + np.maximum(per_arm - leads[other, date], 0.0)
    alike = ndtr((_LEAST_DIFFERENCE - log_distance) / log_spread) - ndtr(
        (-_LEAST_DIFFERENCE - log_distance) / log_spread
    )

    def placed(values: FloatArray) -> FloatArray:
        whole = np.full(rival.shape, np.nan)
        whole[met] = values
        return whole

    return TestValue(
        leads=placed(per_arm),
        missing=placed(missing),
        gain=placed(gain),
        loss=placed(np.abs(distance) / 2.0),
        differs=placed(1.0 - alike),
    )
