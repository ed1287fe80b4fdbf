"""From forecasts and what came to scaled errors, coverage and their uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.forecasts.outcome import Outcome
from benchmarks.forecasts.series import HORIZON, Part
from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.batch import mean_absolute_scaled_error

DRAWS = 2000


@dataclass(frozen=True)
class Score:
    """A method on the series of some parts."""

    errors: FloatArray
    """(series,): MASE, mean over the origins; NaN where it is not defined."""
    cluster: IntArray
    """(series,): see `Part.cluster`."""
    inside: float
    """Sum over days of the probability that what came lies inside the 80 % interval."""
    days: int
    """Days behind `inside`; 0 for a method without intervals."""
    seconds: float
    """Of the processor for one forecast date of one series, mean over the series."""

    @property
    def mase(self) -> float:
        """Mean over the series."""
        return float(np.nanmean(self.errors))

    @property
    def coverage(self) -> float:
        """Share of days inside the 80 % interval; NaN without intervals."""
        return self.inside / self.days if self.days else float("nan")


def score(part: Part, rows: IntArray, outcome: Outcome) -> Score:
    """`outcome` of the given rows against what came.

    Intervals are judged on the days of series that delivered in the week before the origin: a paused entity
    is zero by its status, which no method here is told. Counts are judged by randomised PIT where the outcome
    has it: the interval of a discrete figure covers more than its level by nature.
    """
    values = part.batch.values[rows]
    errors = mean_absolute_scaled_error(values, np.array(part.origins), outcome.points)
    inside, days = 0.0, 0
    if outcome.lower is not None and outcome.upper is not None:
        came = np.stack([values[:, origin : origin + HORIZON] for origin in part.origins])
        judged = np.isfinite(came) & part.is_delivering[:, rows, None] & np.isfinite(outcome.points)
        hit = (outcome.lower <= came) & (came <= outcome.upper)
        share = hit if outcome.inside is None else outcome.inside
        inside, days = float(np.sum(share, where=judged)), int(judged.sum())
    return Score(_mean(errors), part.cluster[rows], inside, days, outcome.seconds)


def together(scores: Sequence[Score]) -> Score:
    """Scores of several parts as one; clusters of one number are one cluster."""
    sizes = [item.errors.size for item in scores]
    return Score(
        errors=np.concatenate([item.errors for item in scores]),
        cluster=np.concatenate([item.cluster for item in scores]),
        inside=sum(item.inside for item in scores),
        days=sum(item.days for item in scores),
        seconds=float(np.average([item.seconds for item in scores], weights=sizes)),
    )


def apart(scores: Sequence[Score]) -> list[Score]:
    """The same with clusters that are no other part's, for parts that have nothing in common."""
    ends = np.cumsum([0, *(int(item.cluster.max()) + 1 for item in scores)])
    return [
        Score(item.errors, item.cluster + end, item.inside, item.days, item.seconds)
        for item, end in zip(scores, ends, strict=False)
    ]


def ratio(mine: Score, other: Score, seed: int = 1) -> tuple[float, float]:
    """Mean MASE over the other's, on the series where both are defined, and its standard error.

    The standard error is that of a bootstrap that draws clusters of series (an account's move together).
    """
    both = np.isfinite(mine.errors) & np.isfinite(other.errors)
    found, place = np.unique(mine.cluster[both], return_inverse=True)
    ours = np.bincount(place, mine.errors[both], found.size)
    theirs = np.bincount(place, other.errors[both], found.size)
    drawn = np.random.default_rng(seed).integers(found.size, size=(DRAWS, found.size))
    ratios = ours[drawn].sum(axis=1) / theirs[drawn].sum(axis=1)
    return float(ours.sum() / theirs.sum()), float(ratios.std(ddof=1))


def _mean(errors: FloatArray) -> FloatArray:
    """Mean over the origins at which the error is defined: (series,)."""
    known = np.isfinite(errors)
    count = known.sum(axis=0)
    total = np.where(known, errors, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
