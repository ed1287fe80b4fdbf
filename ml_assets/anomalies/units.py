"""Figures of a metric in the unit people read it in: CPM, CTR, leads per click, cost per lead."""

import numpy as np

from ml_assets.anomalies.expectation import CPL
from ml_assets.anomalies.likelihood import BAND
from ml_assets.features.grid import FloatArray

FACTOR = {"cpm": 1000.0}


def in_unit(
    metric: str, observed: FloatArray, expected: FloatArray, deviation: FloatArray, exposure: FloatArray,
    *, is_log: bool,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Observed, expected, lower and upper end of the band in the unit of the metric; NaN where undefined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if is_log:
            width = BAND * deviation / expected
            lower, upper = expected * np.exp(-width), expected * np.exp(width)
        else:
            lower = np.maximum(expected - BAND * deviation, 0.0)
            upper = expected + BAND * deviation
        if metric == CPL.name:
            values = (exposure / observed, exposure / expected, exposure / upper, exposure / lower)
        elif metric in ("spend", "leads"):
            values = (observed, expected, lower, upper)
        else:
            scale = FACTOR.get(metric, 1.0) / exposure
            values = (observed * scale, expected * scale, lower * scale, upper * scale)
    observed, expected, lower, upper = (np.where(np.isfinite(value), value, np.nan) for value in values)
    return observed, expected, lower, upper
