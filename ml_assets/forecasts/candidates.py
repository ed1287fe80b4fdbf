"""Which methods forecast: the policy, and the methods it names."""

from collections.abc import Callable
from dataclasses import dataclass

from ml_assets.errors import UsageError
from ml_assets.forecasts.backtest import FEW_ORIGINS, YEAR_OF_ORIGINS
from ml_assets.forecasts.methods import Boosting, Intermittent, ProphetMethod, SeasonalNaive, Smoothing
from ml_assets.forecasts.methods.protocol import Method

DEFAULT_METHODS = ("smoothing", "intermittent", "seasonal_naive")
"""Candidates of a scheduled run; the others are for those who ask for them (docs/forecasts.md)."""

FITTED = frozenset({"boosting", "prophet"})
"""Methods that fit anew at every origin; the others go through the days once, whatever the origins."""

FALLBACK = Smoothing()
"""Forecasts what no chosen method has a forecast for."""


@dataclass(frozen=True)
class ForecastPolicy:
    """How forecasts are made."""

    methods: tuple[str, ...] = DEFAULT_METHODS
    prophet_seconds: float = 60.0
    """Wall-clock seconds that Prophet may take in a forecast of one date, all metrics together."""
    paths: int = 200
    """Sample paths behind the intervals of ratios and of totals."""

    @property
    def origins(self) -> int:
        """Weekly origins of the backtest at most: as many as a year has, few where each is a fit."""
        return FEW_ORIGINS if FITTED.intersection(self.methods) else YEAR_OF_ORIGINS


_MAKERS: dict[str, Callable[[float], Method]] = {
    "smoothing": lambda _: Smoothing(),
    "seasonal_mean": lambda _: SeasonalNaive(weeks=4),
    "seasonal_naive": lambda _: SeasonalNaive(),
    "intermittent": lambda _: Intermittent(),
    "boosting": lambda _: Boosting(),
    "prophet": lambda seconds: ProphetMethod(budget_seconds=seconds),
}

METHODS = tuple(_MAKERS)
"""Names of all candidates."""


def make_methods(policy: ForecastPolicy, share: float = 1.0) -> list[Method]:
    """The methods of a policy, in its order; `share` of its budget of seconds is for this call.

    Raises UsageError naming what is unknown and what there is.
    """
    unknown = [name for name in policy.methods if name not in _MAKERS]
    if unknown or not policy.methods:
        what = ", ".join(unknown) or "at all"
        raise UsageError(f"there is no forecasting method {what}; choose among {', '.join(METHODS)}")
    return [_MAKERS[name](policy.prophet_seconds * share) for name in policy.methods]
