"""One model for all series: gradient boosting on what a series was lately, its weekdays and the calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from ml_assets.features.grid import FloatArray
from ml_assets.forecasts.batch import Batch
from ml_assets.forecasts.methods.boosting_rows import Series, features, training_rows

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

Loss = Literal["absolute_error", "poisson", "squared_error"]

LEAST_ROWS = 200
"""Rows a model must have to learn from; with fewer there is no forecast."""

LEAF = 100
"""Least rows of a leaf, and the least share of all rows of a small set, one in so many."""

CHUNK = 4096
"""Series forecast at a time."""


@dataclass(frozen=True)
class Boosting:
    """The method `boosting`: gradient-boosted trees learnt on all series at once, the days ahead a feature.

    Every series is scaled by its own recent level, so that large and small ones teach the same. The model is
    learnt from the days before the first origin and again at `fits` - 1 later ones, the last among them.
    Deterministic, and the order of the series does not matter. A batch with too little history for a model
    has NaN throughout; so has a series of which nothing is known.
    """

    loss: Loss | None = None
    """None: Poisson for counts, whose median is often 0, and the absolute error otherwise."""
    rounds: int = 60
    learning_rate: float = 0.1
    most_rows: int = 60_000
    fits: int = 2
    threads: int = 1
    """OpenMP's threads wait spinning: more of them than idle cores make a fit twenty times slower."""

    @property
    def name(self) -> str:
        """The word that stands in `method`."""
        return "boosting"

    def forecast(self, batch: Batch, origins: Sequence[int], horizon: int) -> FloatArray:
        """See `Method.forecast`."""
        out = np.full((len(origins), batch.height, horizon), np.nan)
        series = Series.of(batch)
        fitted_at = {round(place) for place in np.linspace(0, len(origins) - 1, self.fits)}
        model = None
        with threadpool_limits(limits=self.threads, user_api="openmp"):
            for place, origin in enumerate(origins):
                if place in fitted_at:
                    model = self._fit(series, origin, horizon, is_count=batch.is_count) or model
                if model is not None:
                    out[place] = _predict(model, series, origin, horizon)
        return out

    def _fit(
        self, series: Series, origin: int, horizon: int, *, is_count: bool
    ) -> "HistGradientBoostingRegressor | None":
        """The model of the days before an origin; None where they are too few."""
        from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 - takes a second to import

        rows, targets = training_rows(series, origin, horizon, self.most_rows)
        if targets.size < LEAST_ROWS or not targets.any():
            return None
        model = HistGradientBoostingRegressor(
            loss=self.loss or ("poisson" if is_count else "absolute_error"),
            learning_rate=self.learning_rate,
            max_iter=self.rounds,
            min_samples_leaf=min(LEAF, max(targets.size // LEAF, 5)),
            early_stopping=False,  # type: ignore[arg-type] - documented as 'auto' or bool
            random_state=0,
        )
        return model.fit(rows, targets)


def _predict(model: "HistGradientBoostingRegressor", series: Series, origin: int, horizon: int) -> FloatArray:
    """Forecasts of one origin: (series, horizon)."""
    height = series.values.shape[0]
    out = np.empty((height, horizon))
    for start in range(0, height, CHUNK):
        part = slice(start, start + CHUNK)
        rows, level = features(series.take(part), origin, range(horizon))
        shape = np.maximum(model.predict(rows.reshape(-1, rows.shape[2])), 0.0)
        out[part] = shape.reshape(-1, horizon) * level[:, None]
    return out
