"""Whether a rate fell between two stretches of days: the comparison of two Gamma posteriors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc

from ml_assets.features.estimates import LevelEstimates
from ml_assets.features.grid import FloatArray


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
