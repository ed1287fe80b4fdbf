"""How likely a figure is given what was expected: the tests of one metric of a step on one day.

Money is log-t; counts are negative binomial, exact where it matters. What one day cannot decide is gathered
over days by two one-sided cumulative sums of log likelihood ratios (Page 1954), whose exp(-S) serves as a
p-value: that of a sum above h is at most exp(-h) in any one run from zero.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, ndtr, ndtri, stdtr

from ml_assets.anomalies.expectation import Forecast, Metric
from ml_assets.features.grid import FloatArray, IntArray

LEAST_FREEDOM, MOST_FREEDOM = 8.0, 40.0
LEAST_DISPERSION = 1.02
EXACT_FROM = 2.0
"""Standard deviations from which the exact tail is computed; nearer by, the normal one will do."""

NOTHING = -6.0
"""Log deviation of a figure that is zero."""

MOST_GAIN, MOST_EVIDENCE = 6.0, 16.0
"""Evidence one day can add, and all there is to gather: enough for the tests of a large account."""

KEPT_EVIDENCE = 10.0
"""Evidence left of more on the first day that speaks against it, so that what is over is soon forgotten."""

BAND = -ndtri(0.005)
"""Standard deviations of the band of 99 %."""


@dataclass
class Tested:
    """One metric of the entities of a step on one day: arrays (entities,), NaN or False where not tested."""

    observed: FloatArray
    """In units of the numerator: money or counts."""
    expected: FloatArray
    deviation: FloatArray
    """Standard deviation of the observed figure around what was expected, same units."""
    exposure: FloatArray
    score: FloatArray
    """Signed standard deviations; on the log for money."""
    p_value: FloatArray
    """Two-sided, of the day or of the evidence gathered."""
    day_p_value: FloatArray
    """Two-sided, of the day alone."""
    is_tested: np.ndarray
    is_log: bool

    def call_usual(self, rows: np.ndarray) -> None:
        """Nothing speaks against the figures of `rows`, whatever was expected."""
        self.score[rows] = 0.0
        self.p_value[rows] = self.day_p_value[rows] = 1.0

    def band(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper end of the band of 99 %, units of the numerator."""
        if self.is_log:
            width = BAND * self.deviation / np.maximum(self.expected, 1e-12)
            return self.expected * np.exp(-width), self.expected * np.exp(width)
        width = BAND * self.deviation
        return np.maximum(self.expected - width, 0.0), self.expected + width


def test_money(
    metric: Metric,
    forecast: Forecast,
    observed: FloatArray,
    exposure: FloatArray,
    extra_noise: FloatArray,
    days: IntArray,
    where: np.ndarray,
) -> tuple[Tested, FloatArray, FloatArray]:
    """Tests of money, the log error and its variance before scaling; `exposure` is 1 for plain spend."""
    variance = forecast.variance + metric.noise + extra_noise
    expected = np.exp(forecast.log) * exposure
    tested = where & forecast.is_known & (exposure > 0) & np.isfinite(observed)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(observed > 0, np.log(observed / expected), NOTHING)
    spread = np.sqrt(variance * forecast.scale)
    score = np.where(tested, error / spread, np.nan)
    p_value = np.where(tested, 2 * ndtr(-np.abs(score)), 1.0)
    far = np.flatnonzero(tested & (np.abs(score) > EXACT_FROM))
    freedom = np.clip(days[far] + 1, LEAST_FREEDOM, MOST_FREEDOM)
    p_value[far] = 2 * stdtr(freedom, -np.abs(score[far]))
    told = Tested(
        observed=observed, expected=expected, deviation=expected * spread, exposure=exposure, score=score,
        p_value=p_value, day_p_value=p_value.copy(), is_tested=tested, is_log=True,
    )  # fmt: skip
    return told, error, variance


def test_counts(
    forecast: Forecast,
    observed: FloatArray,
    exposure: FloatArray,
    extra_noise: FloatArray,
    where: np.ndarray,
) -> Tested:
    """Tests of counts given their exposure: negative binomial with the learnt dispersion."""
    tested = where & forecast.is_known & (exposure > 0) & np.isfinite(observed)
    mean = np.where(tested, np.exp(forecast.log) * exposure, np.nan)
    dispersion = dispersion_of(forecast, mean, extra_noise)
    deviation = np.sqrt(mean * dispersion)
    score = (observed - mean) / deviation
    p_value = np.where(tested, 2 * ndtr(-np.abs(score)), 1.0)
    far = np.flatnonzero(tested & (np.abs(score) > EXACT_FROM))
    if far.size:
        p_value[far] = _negative_binomial_tail(observed[far], mean[far], dispersion[far])
    return Tested(
        observed=observed, expected=mean, deviation=deviation, exposure=exposure, score=score,
        p_value=p_value, day_p_value=p_value.copy(), is_tested=tested, is_log=False,
    )  # fmt: skip


def dispersion_of(forecast: Forecast, mean: FloatArray, extra_noise: FloatArray) -> FloatArray:
    """Variance over mean of a count: the learnt scale, and how far its rate is not known."""
    return np.maximum(forecast.scale * (1.0 + mean * (forecast.variance + extra_noise)), LEAST_DISPERSION)


def _negative_binomial_tail(count: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Two-sided p-value of a count: twice the smaller tail, the count itself included."""
    size = mean / (dispersion - 1.0)
    success = 1.0 / dispersion
    low = betainc(size, count + 1.0, success)
    # The tail itself and not one minus the rest of it, of which nothing is left far out.
    high = np.where(count > 0, betainc(np.maximum(count, 1.0), size, 1.0 - success), 1.0)
    return np.minimum(2.0 * np.minimum(low, high), 1.0)


class Evidence:
    """What is gathered over days for a shift down or up of one metric: (entities, 2)."""

    def __init__(self, metric: Metric, entities: int) -> None:
        self.metric = metric
        self.total = np.zeros((entities, 2))

    def add(self, told: Tested, forecast: Forecast, error: FloatArray | None, variance: FloatArray) -> None:
        """Add a day, and let `told.p_value` be that of the evidence where it says more.

        `error` and `variance` are the log error of money and its variance; None: counts, with dispersion.
        """
        shifts = (self.metric.shift_down, self.metric.shift_up)
        for side, shift in enumerate(shifts):
            if error is not None:
                gain = (shift * error - shift**2 / 2) / (variance * forecast.scale)
            else:
                gain = (told.observed * shift - told.expected * np.expm1(shift)) / variance
            gain = np.where(told.is_tested, np.clip(gain, -MOST_GAIN, MOST_GAIN), 0.0)
            most = np.where(gain < 0, KEPT_EVIDENCE, MOST_EVIDENCE)
            self.total[:, side] = np.clip(np.minimum(self.total[:, side], most) + gain, 0.0, MOST_EVIDENCE)
            # Evidence of days gone by alone is none of today.
            gathered = np.where(told.is_tested & (gain > 0), np.exp(-self.total[:, side]), 1.0)
            np.minimum(told.p_value, gathered, out=told.p_value)

    def forget(self, where: np.ndarray) -> None:
        """Begin anew for the entities `where`."""
        self.total[where] = 0.0
