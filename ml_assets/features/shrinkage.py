"""Conjugate shrinkage down the tree: what few leads, clicks or conversions say, given the levels above.

Counts n with exposure e at relative rate r: n ~ Poisson(r * e), r ~ Gamma. The prior of a child is centred on
its parent's rate as the child's *siblings* and everything above tell it; the child's own counts are never
part of its own prior. Three things widen or sharpen it:

- how much children of one parent differ: Gamma shape `a` per level and account, from the marginal likelihood;
- how well the parent's rate is known without the child: shape s, so that
  1/a' = 1/a + (1/s) (1 + 1/a), the squared coefficient of variation of a product;
- a sibling tells of its parent through its own deviation, so its counts are discounted by
  1 / (1 + e m / a) (the weight of a negative binomial observation), and a parent's own realised rate, which
  averages K children, is known to differ from the centre they vary around by 1 / (a K).

Counts that vary more than Poisson (`dispersion` > 1) are divided by it, as in quasi-likelihood
(McCullagh & Nelder 1989, ch. 9). `docs/adr/0004-hierarchical-estimate.md` has the measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from ml_assets.features.grid import FloatArray, Groups, in_order

_TINY = 1e-12


@dataclass(frozen=True)
class ShrinkagePolicy:
    """How children of one parent may differ; shapes of a Gamma, 1 / (coefficient of variation)^2."""

    min_shape: float = 1.0
    max_shape: float = 20.0
    default_shape: float = 2.0
    """Centre of the prior of the shape; the likelihood takes over as counts come in."""
    default_log_sd: float = 2.5
    """Spread of log(shape) around the default: how easily data move it."""
    root_shape: float = 1.0
    """Shape of the account's own prior around relative rate 1: worth one lead."""
    steps: int = 14
    """Points of the grid on which the shape is averaged."""


@dataclass(frozen=True)
class Counts:
    """What is seen of one level: n events at exposure e."""

    n: FloatArray
    """(entities, dates), events; may be fractional."""
    e: FloatArray
    """(entities, dates), events expected at relative rate 1; 0 where the entity tells nothing."""
    parent: Groups
    account: Groups
    dispersion: FloatArray
    """(accounts, dates), variance over mean of the events, >= 1."""
    sample: np.ndarray
    """(entities,), which of them the spread of the level is learnt from."""


@dataclass(frozen=True)
class Posterior:
    """Gamma(shape, rate) of the relative rate of every entity and date, with the prior it came from."""

    shape: FloatArray
    rate: FloatArray
    prior_shape: FloatArray
    prior_mean: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Posterior mean of the relative rate."""
        return self.shape / self.rate


def shrink(levels: Sequence[Counts], policy: ShrinkagePolicy | None = None) -> list[Posterior]:
    """Posteriors of every level from the top down; `levels[0].parent` groups by account.

    Every matrix is (entities, dates) in the row order of its level; dates do not influence each other.
    """
    policy = policy or ShrinkagePolicy()
    dates = levels[0].n.shape[1]
    above_mean = np.ones((levels[0].parent.count, dates))
    above_shape = np.full_like(above_mean, policy.root_shape)
    posteriors: list[Posterior] = []
    for depth, level in enumerate(levels):
        spread = level.account.spread(level.dispersion)
        n, e = level.n / spread, level.e / spread
        prior_mean, prior_shape = _prior(
            n, e, level, above_mean, above_shape, policy, above_is_realised=depth > 0
        )
        posteriors.append(
            Posterior(
                shape=prior_shape + n,
                rate=prior_shape / prior_mean + e,
                prior_shape=prior_shape,
                prior_mean=prior_mean,
            )
        )
        above_mean, above_shape = prior_mean, prior_shape
    return posteriors


def _prior(
    n: FloatArray,
    e: FloatArray,
    level: Counts,
    above_mean: FloatArray,
    above_shape: FloatArray,
    policy: ShrinkagePolicy,
    *,
    above_is_realised: bool,
) -> tuple[FloatArray, FloatArray]:
    """Mean and shape of each entity's prior, with the level's shape averaged under its posterior.

    It is the variation 1 / shape that is averaged: few entities leave it open, and that has to show as wider
    priors rather than as the shape that happens to fit best.
    """
    grid = np.geomspace(policy.min_shape, policy.max_shape, policy.steps)
    log_prior = -0.5 * (np.log(grid / policy.default_shape) / policy.default_log_sd) ** 2
    effective = _effective_children(e, level.parent)
    sampled = level.sample
    sampled_account = Groups(level.account.index[sampled], level.account.count)
    scores = np.empty((grid.size, level.account.count, n.shape[1]))
    for position, shape in enumerate(grid):
        given = np.full((level.account.count, n.shape[1]), shape)
        mean, prior_shape = _prior_given(
            n, e, level, above_mean, above_shape, given, effective, above_is_realised=above_is_realised
        )
        scores[position] = log_prior[position] + sampled_account.total(
            _log_marginal(n[sampled], e[sampled], mean[sampled], prior_shape[sampled])
        )
    return _prior_given(
        n,
        e,
        level,
        above_mean,
        above_shape,
        _posterior_shape(grid, scores),
        effective,
        above_is_realised=above_is_realised,
    )


def _posterior_shape(grid: FloatArray, scores: FloatArray) -> FloatArray:
    """Shape at the posterior mean of the variation 1 / shape, from log posteriors (grid, ...)."""
    weights = np.exp(scores - scores.max(axis=0))
    variation = in_order(weight / shape for weight, shape in zip(weights, grid, strict=True))
    return in_order(weights) / variation


def _prior_given(
    n: FloatArray,
    e: FloatArray,
    level: Counts,
    above_mean: FloatArray,
    above_shape: FloatArray,
    shape: FloatArray,
    effective_children: FloatArray,
    *,
    above_is_realised: bool,
) -> tuple[FloatArray, FloatArray]:
    """Mean and shape of each entity's prior when children vary with Gamma `shape` (accounts, dates)."""
    parent = level.parent
    variation = 1.0 / level.account.spread(shape)
    centre_shape = above_shape
    if above_is_realised:
        averaged = parent.total(variation * e) / np.maximum(parent.total(e), _TINY) / effective_children
        known = 1.0 / above_shape
        centre_shape = 1.0 / np.maximum(known - averaged, 0.25 * known)
    centre_rate = centre_shape / above_mean
    pooled = parent.spread((centre_shape + parent.total(n)) / (centre_rate + parent.total(e)))
    weight = 1.0 / (1.0 + e * pooled * variation)
    weighted_n, weighted_e = weight * n, weight * e
    others_n = np.maximum(parent.spread(parent.total(weighted_n)) - weighted_n, 0.0)
    others_e = np.maximum(parent.spread(parent.total(weighted_e)) - weighted_e, 0.0)
    known_shape = parent.spread(centre_shape) + others_n
    mean = known_shape / (parent.spread(centre_rate) + others_e)
    return mean, 1.0 / (variation + (1.0 / known_shape) * (1.0 + variation))


def _effective_children(e: FloatArray, parent: Groups) -> FloatArray:
    """Number of equal children that would average as these do (Kish), at least 1: (parents, dates)."""
    squares = np.maximum(parent.total(e**2), _TINY)
    return np.maximum(parent.total(e) ** 2 / squares, 1.0)


def _log_marginal(n: FloatArray, e: FloatArray, mean: FloatArray, shape: FloatArray) -> FloatArray:
    """Log probability of n under Gamma(shape, shape / mean) x Poisson(e), without the term of n alone."""
    exposed = np.maximum(e, _TINY)
    rate = shape / mean
    likelihood = (
        gammaln(shape + n)
        - gammaln(shape)
        + shape * np.log(rate / (rate + exposed))
        + n * np.log(exposed / (rate + exposed))
    )
    return np.where(e > 0, likelihood, 0.0)
