"""What every candidate is: one call for all series and all origins."""

from collections.abc import Sequence
from typing import Protocol

from ml_assets.features.grid import FloatArray
from ml_assets.forecasts.batch import Batch


class Method(Protocol):
    """A way to forecast many series at once."""

    @property
    def name(self) -> str:
        """The word that stands in `method` and in the stored backtest."""
        ...

    def forecast(self, batch: Batch, origins: Sequence[int], horizon: int) -> FloatArray:
        """Expected values of the days [origin, origin + horizon) of each series: (origins, series, horizon).

        Origins increase and are at most `batch.days`; a forecast reads only days before its origin. Values
        are final figures (exposure 1), finite and non-negative; a whole row is NaN where the method has no
        forecast for a series, as where nothing is known of it. `batch` is not changed.
        """
        ...
