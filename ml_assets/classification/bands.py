"""The four tiers as bands of the true CPL relative to T, and the posterior mass in each."""

import numpy as np
from scipy.special import gammaincc, gammaincinv

from ml_assets.features.grid import FloatArray

TIERS = ("HIGH_PERFORMER", "MODERATE", "LOW", "UNDERPERFORMER")
"""Best first."""

INSUFFICIENT_DATA = "INSUFFICIENT_DATA"

BOUNDARIES = (0.7, 1.0, 1.5)
"""CPL / T at which one tier ends and the next begins; a boundary belongs to the better tier."""


def cheaper_than(boundary: float, shape: FloatArray, rate: FloatArray) -> FloatArray:
    """P(CPL <= boundary * T) when r = T / CPL is Gamma(shape, rate)."""
    return gammaincc(shape, rate / boundary)


def boundary_probabilities(shape: FloatArray, rate: FloatArray) -> FloatArray:
    """P(CPL <= b T) for each of `BOUNDARIES`: (3, entities, dates)."""
    return np.stack([cheaper_than(boundary, shape, rate) for boundary in BOUNDARIES])


def band_masses(below: FloatArray) -> FloatArray:
    """Posterior mass of each tier from `boundary_probabilities`: (4, ...), summing to 1."""
    edges = np.concatenate([np.zeros_like(below[:1]), below, np.ones_like(below[:1])])
    return np.diff(edges, axis=0)


def median_band(shape: FloatArray, rate: FloatArray) -> np.ndarray:
    """Index into `TIERS` of the band that holds the posterior median of the CPL."""
    cpl = rate / gammaincinv(shape, 0.5)
    return np.searchsorted(np.array(BOUNDARIES), cpl, side="left")
