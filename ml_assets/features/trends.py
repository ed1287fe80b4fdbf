"""Whether a rate fell between two stretches of days: the comparison of two Gamma posteriors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, ndtr

from ml_assets.features.estimates import LevelEstimates
from ml_assets.features.grid import FloatArray, Groups

USUAL_MOVE = 0.15
"""Standard deviation of the log lead rate from one week to the next, until the account shows its own."""

USUAL_WEIGHT = 0.3
"""Trust in it, in entities whose counts were without noise."""

LEAST_MOVE, MOST_MOVE = 0.05, 0.6


def below_probability(
    shape: FloatArray, rate: FloatArray, other_shape: FloatArray, other_rate: FloatArray, ratio: float = 1.0
) -> FloatArray:
    """P(X < ratio * Y) for independent X ~ Gamma(shape, rate), Y ~ Gamma(other_shape, other_rate).

    P(X < Y) = I_{b1 / (b0 + b1)}(a1, a0), the regularised incomplete beta function.
    """
    scaled = other_rate / ratio
    return betainc(shape, other_shape, rate / (scaled + rate))


@dataclass(frozen=True)
class Weeks:
    """Lead rates of the last week and the one before, each with the entity's own prior.

    Shapes and rates of two Gammas, (entities, dates); `is_known` where both weeks have spend and leads.
    """

    shape_now: FloatArray
    rate_now: FloatArray
    shape_before: FloatArray
    rate_before: FloatArray
    is_known: np.ndarray

    def fell_below(self, ratio: float = 1.0) -> FloatArray:
        """P(rate now < ratio * rate before); NaN where it is not known."""
        fell = below_probability(self.shape_now, self.rate_now, self.shape_before, self.rate_before, ratio)
        return np.where(self.is_known, fell, np.nan)


def lead_weeks(own: LevelEstimates, figure: Callable[[str], FloatArray]) -> Weeks:
    """The two weeks from `figure`: visible_spend_7d, visible_spend_previous, leads_7d, leads_previous.

    Spend is weighted by maturity, so an immature week compares with a mature one.
    """
    shapes: list[FloatArray] = []
    rates: list[FloatArray] = []
    known = own.seeks_leads[:, None] & (own.target > 0)
    for week in ("7d", "previous"):
        spend, leads = figure(f"visible_spend_{week}"), figure(f"leads_{week}")
        shapes.append(own.rate.prior_shape + np.nan_to_num(leads) / own.dispersion)
        rates.append(own.rate.prior_shape / own.rate.prior_mean + spend / own.target / own.dispersion)
        known = known & (spend > 0) & ~np.isnan(leads)
    return Weeks(shapes[0], rates[0], shapes[1], rates[1], known)


@dataclass(frozen=True)
class Move:
    """Posterior of the log change of a rate from one week to the next: normal, (entities, dates)."""

    mean: FloatArray
    deviation: FloatArray

    def below(self, ratio: float) -> FloatArray:
        """P(rate now < ratio * rate before); NaN where it is not known."""
        return ndtr((np.log(ratio) - self.mean) / self.deviation)


def weekly_move(
    own: LevelEstimates, figure: Callable[[str], FloatArray], account: Groups, sample: np.ndarray
) -> Move:
    """How far the lead rate moved, given how far rates of the account move in a week at all.

    Most rates stand still from one week to the next, so a fall has to be believed against that: the log
    ratio of the two weeks, with variance 1/n + 1/n' widened by the dispersion, is shrunk to no change by the
    variance that the account's entities show beyond counting noise (method of moments). `figure` as in
    `lead_weeks`.
    """
    counts = [np.nan_to_num(figure(f"leads_{week}")) + 0.5 for week in ("7d", "previous")]
    spends = [figure(f"visible_spend_{week}") for week in ("7d", "previous")]
    known = own.seeks_leads[:, None] & (spends[0] > 0) & (spends[1] > 0)
    known &= ~np.isnan(figure("leads_7d")) & ~np.isnan(figure("leads_previous"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(known, np.log(counts[0] * spends[1] / (counts[1] * spends[0])), 0.0)
    noise = own.dispersion * (1.0 / counts[0] + 1.0 / counts[1])
    usual = USUAL_MOVE**2
    weight = np.where(known & sample[:, None], (usual / (noise + usual)) ** 2, 0.0)
    beyond = account.total(weight * (ratio**2 - noise)) + USUAL_WEIGHT * usual
    variance = beyond / (account.total(weight) + USUAL_WEIGHT)
    moves = account.spread(np.clip(variance, LEAST_MOVE**2, MOST_MOVE**2))
    share = moves / (moves + noise)
    return Move(
        mean=np.where(known, share * ratio, np.nan), deviation=np.sqrt(np.maximum(share * noise, 1e-12))
    )
