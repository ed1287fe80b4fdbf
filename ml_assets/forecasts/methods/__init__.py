"""The candidates: each forecasts all series of a metric in one call.

Importing them is quick: scikit-learn, pandas and Prophet are imported where they are used.
"""

from ml_assets.forecasts.methods.boosting import Boosting
from ml_assets.forecasts.methods.intermittent import Intermittent
from ml_assets.forecasts.methods.naive import SeasonalNaive
from ml_assets.forecasts.methods.prophet import ProphetForecast, ProphetMethod, ProphetReport
from ml_assets.forecasts.methods.protocol import Method
from ml_assets.forecasts.methods.smoothing import Smoothing

__all__ = [
    "METHOD_NAMES",
    "Boosting",
    "Intermittent",
    "Method",
    "ProphetForecast",
    "ProphetMethod",
    "ProphetReport",
    "SeasonalNaive",
    "Smoothing",
]

METHOD_NAMES = ("seasonal_naive", "seasonal_mean", "smoothing", "intermittent", "boosting", "prophet")
"""The words that may stand in `method`, the floor first."""
