"""The methods of ml_assets.forecasts, put together and given widths as in a scheduled run.

Left out is what only a tree knows: coherence, paused entities, late leads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.forecasts.outcome import Outcome, processor_seconds
from benchmarks.forecasts.series import HORIZON, Part, SeriesSet, delivering
from ml_assets.features.grid import FloatArray
from ml_assets.forecasts.backtest import YEAR_OF_ORIGINS, combine
from ml_assets.forecasts.calibration import calibrate
from ml_assets.forecasts.candidates import DEFAULT_METHODS, ForecastPolicy, make_methods
from ml_assets.forecasts.distribution import cdf_bounds, quantile
from ml_assets.forecasts.frames import QUANTILES
from ml_assets.forecasts.tree import OWN_DAYS

BOUNDS = (QUANTILES["lower_80"], QUANTILES["upper_80"])
MONEY = "spend"
"""Real series are forecast as money is: non-negative and continuous."""

HISTORY = 735
"""Days that are looked at, at most; those before them add nothing but time."""

REPEATS = 3
"""Times that the cost is measured."""

BOOSTING, PROPHET = "boosting", "prophet"


@dataclass(frozen=True)
class Candidates:
    """Forecasts of methods for all rows of a part, at the origins that choose and then at those scored."""

    part: Part
    origins: tuple[int, ...]
    points: dict[str, FloatArray]
    """Method -> (origins, series, horizon)."""

    @property
    def scored(self) -> slice:
        """The places of the scored origins."""
        return slice(len(self.origins) - len(self.part.origins), None)

    def alone(self, name: str) -> FloatArray:
        """One method at the scored origins: (origins, series, horizon)."""
        return self.points[name][self.scored]

    def having(self, name: str, scored: FloatArray) -> "Candidates":
        """With a method that is known for the scored rows at the scored origins only."""
        points = np.full((len(self.origins), self.part.batch.height, HORIZON), np.nan)
        points[self.scored, self.part.scored] = np.maximum(scored, 0.0)
        return replace(self, points={**self.points, name: points})


def forecast(part: Part, methods: Sequence[str] = DEFAULT_METHODS) -> Candidates:
    """All rows by the named methods."""
    policy = ForecastPolicy(methods=tuple(methods))
    origins = (*part.past_origins(policy.origins), *part.origins)
    made = make_methods(policy)
    return Candidates(
        part, origins, {method.name: method.forecast(part.batch, origins, HORIZON) for method in made}
    )


def combined(candidates: Candidates) -> FloatArray:
    """The weighted mean of the candidates, by errors before each origin: (all origins, series, horizon)."""
    part = candidates.part
    return combine(candidates.points, part.batch, candidates.origins, part.group).forecast


def with_intervals(series: SeriesSet, found: Sequence[Candidates], seconds: float) -> list[Outcome]:
    """An outcome for all rows of each part: the combination, and intervals calibrated before each origin.

    Parts on one grid that are the metrics of the same entities are calibrated together, as in the product.
    """
    points = [combined(each) for each in found]
    if series.is_account:
        names = [part.name for part in series.parts]
        return _intervals(found, dict(zip(names, points, strict=True)), names, seconds)
    return [
        _intervals([each], {MONEY: mean}, [MONEY], seconds)[0]
        for each, mean in zip(found, points, strict=True)
    ]


def _intervals(
    found: Sequence[Candidates], means: Mapping[str, FloatArray], names: Sequence[str], seconds: float
) -> list[Outcome]:
    """Outcomes of the metrics `names`, one for each of `found`."""
    first = found[0]
    part, origins = first.part, np.array(first.origins)
    values = {name: each.part.batch.values for name, each in zip(names, found, strict=True)}
    whole = np.ones((len(first.origins), part.batch.height, HORIZON))
    actual: dict[str, FloatArray] = {}
    for name in names:
        actual[name] = _windows(values[name], first.origins)
        began = np.where(np.isfinite(values[name]), 1, 0).argmax(axis=1)
        is_young = origins[:, None] - began < OWN_DAYS  # in a tree the shape would be the parent's
        actual[name][is_young | ~delivering(values[name], first.origins)] = np.nan
    shape = (len(part.origins), part.batch.height, HORIZON)
    ends = {name: (np.empty(shape), np.empty(shape), np.full(shape, np.nan)) for name in names}
    rows = np.arange(part.batch.height)
    groups = int(part.group.max()) + 1
    for place, origin in enumerate(part.origins):
        past = np.flatnonzero(origins + HORIZON <= origin)[-YEAR_OF_ORIGINS:]
        known = calibrate(
            {name: actual[name][past] for name in names},
            {name: np.nan_to_num(means[name][past]) for name in names},
            dict.fromkeys(names, whole[past]),
            part.group,
            np.arange(groups),
        )
        at = first.scored.start + place
        for name in names:
            mean = means[name][at]
            bounds, levels = known.bounds(name, mean, BOUNDS, rows)
            lower, upper, inside = ends[name]
            lower[place], upper[place] = bounds[..., 0], bounds[..., 1]
            if name != MONEY:
                spread = np.broadcast_to(known.dispersion[name][:, None], mean.shape)
                seen = _windows(values[name], [origin])[0]
                inside[place] = _share_inside(seen, mean, spread, levels)
    return [
        Outcome(
            points=means[name][first.scored],
            seconds=seconds,
            lower=ends[name][0],
            upper=ends[name][1],
            inside=None if name == MONEY else ends[name][2],
        )
        for name in names
    ]


def _share_inside(seen: FloatArray, mean: FloatArray, spread: FloatArray, levels: FloatArray) -> FloatArray:
    """Probability that the randomised PIT lies between two levels of the distribution, per cell."""
    below, upto = cdf_bounds(np.nan_to_num(seen), mean, spread, is_count=True)
    kept = np.maximum(np.minimum(upto, levels[..., 1]) - np.maximum(below, levels[..., 0]), 0.0)
    share = np.divide(kept, upto - below, out=np.zeros_like(kept), where=upto > below)
    return np.where(np.isfinite(seen), share, np.nan)


def _windows(values: FloatArray, origins: Sequence[int]) -> FloatArray:
    """The days from each origin on: (origins, series, horizon), NaN behind the last day."""
    padded = np.pad(values, ((0, 0), (0, HORIZON)), constant_values=np.nan)
    return np.stack([padded[:, origin : origin + HORIZON] for origin in origins])


@dataclass(frozen=True)
class Cost:
    """Seconds of the processor for one forecast date of one series."""

    alone: dict[str, float]
    """Method -> its forecast of that date and nothing else."""
    methods: float
    """The methods together, at that date and at the origins of its backtest."""
    widths: float
    """The weights, the calibration and the bounds."""

    @property
    def whole(self) -> float:
        """Everything that a date takes."""
        return self.methods + self.widths


def split(series: SeriesSet, found: Sequence[Outcome]) -> list[Outcome]:
    """Outcomes of the parts of `series.joined`, as those of the parts of `series`."""
    if series.is_account:
        return list(found)
    whole, first, parts = found[0], 0, []
    for part in series.parts:
        rows = np.arange(first, first + part.batch.height)
        parts.append(whole.take(rows).latest(len(part.origins)))
        first += part.batch.height
    return parts


def join(series: SeriesSet, found: Sequence[FloatArray]) -> list[FloatArray]:
    """Points (origins, series, horizon) of the parts of `series`, as those of `series.joined`."""
    if series.is_account:
        return list(found)
    most = max(points.shape[0] for points in found)
    ahead = [((most - points.shape[0], 0), (0, 0), (0, 0)) for points in found]
    padded = [
        np.pad(points, width, constant_values=np.nan) for points, width in zip(found, ahead, strict=True)
    ]
    return [np.concatenate(padded, axis=1)]


def cost(series: SeriesSet, methods: Sequence[str] = DEFAULT_METHODS) -> Cost:
    """What all series of a set take at all scored origins, per series and origin; the middle of `REPEATS`.

    What a process makes once, the tables of quantiles, does not count.
    """
    quantile(np.array([0.5]), np.ones(1), np.ones(1), is_count=False)
    found = [_cost(series, methods) for _ in range(REPEATS)]
    return sorted(found, key=lambda item: item.whole)[REPEATS // 2]


def _cost(series: SeriesSet, methods: Sequence[str]) -> Cost:
    parts = series.parts
    forecasts = sum(part.batch.height * len(part.origins) for part in parts)
    alone: dict[str, float] = {}
    for method in make_methods(ForecastPolicy(methods=tuple(methods))):
        began = processor_seconds()
        for part in parts:
            method.forecast(part.batch, part.origins, HORIZON)
        alone[method.name] = (processor_seconds() - began) / forecasts
    began = processor_seconds()
    found = [forecast(part, methods) for part in parts]
    forecast_by = processor_seconds()
    with_intervals(series, found, 0.0)
    return Cost(
        alone=alone,
        methods=(forecast_by - began) / forecasts,
        widths=(processor_seconds() - forecast_by) / forecasts,
    )
