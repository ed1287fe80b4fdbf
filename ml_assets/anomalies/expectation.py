"""What a figure should be today, given its own past: dynamic linear models on logs, one step a day.

Every metric of every entity has a log level (and for CTR a slope) that moves a little each day, times the
account's weekday profile. Money is Gaussian on the log; counts given their exposure are Poisson with a Gamma
prior matched to the log rate (West, Harrison and Migon 1985, "Dynamic generalized linear models and Bayesian
forecasting"). How far figures vary around it is learnt from past errors, for an entity and its level in the
account together. All entities of a step of the tree are worked on at once; no day sees a later one.
"""

from dataclasses import dataclass, field

import numpy as np

from ml_assets.features.grid import FloatArray, IntArray

LEAST_DAYS = 7
"""Days of its own history from which an entity is judged."""

NEW_ENTITY_VARIANCE = 0.4**2
"""Of the log rate of a new entity around its parent's."""

WEEKDAY_VARIANCE = 0.1**2
SPEND_WEEKDAY_VARIANCE = 0.2**2
"""Of the log effect of a weekday around none, until the account shows its own; of spend people decide."""

SCALE_DECAY = 0.97
SCALE_PRIOR_ENTITY = 10.0
SCALE_PRIOR_LEVEL = 15.0
"""Days' worth of trust in the scale of the level, and of the level in the model's own."""

LEAST_SCALE, MOST_SCALE = 0.3, 12.0
MOST_SQUARE = 12.0
"""Squared standardised errors count for the scale up to here."""

LEAST_COUNT = 0.5
"""Expected count from which a day counts for the scale."""

WINSOR = 3.0
"""Deviations of such effects up to which an account's day counts for them."""

OLD_LEVEL = 1.0
"""Variance at which a level is as good as forgotten."""


@dataclass(frozen=True)
class Metric:
    """How a metric is modelled: `observed` given `exposure` (None: on its own)."""

    name: str
    observed: str
    exposure: str | None
    is_count: bool
    level_noise: float
    """Variance of a day's step of the log level."""
    slope_noise: float
    slope_damping: float
    noise: float
    """Variance of the log of a day's figure around its level; of counts beyond Poisson, the learnt scale."""
    holiday_noise: float
    """Further variance on a public holiday."""
    shift_down: float
    shift_up: float
    """Log shifts for which evidence is gathered over days."""


SPEND = Metric("spend", "spend", None, False, 0.03**2, 0.0, 0.0, 0.03, 0.15**2, -0.47, 0.47)
CPM = Metric("cpm", "spend", "impressions", False, 0.015**2, 0.0, 0.0, 0.008, 0.1**2, -0.47, 0.47)
CTR = Metric("ctr", "clicks", "impressions", True, 0.02**2, 0.006**2, 0.95, 0.0, 0.1**2, -0.9, 0.6)
CVR = Metric("cvr", "leads", "clicks", True, 0.02**2, 0.0, 0.0, 0.0, 0.3**2, -1.9, 0.7)
CPL = Metric("cpl", "leads", "spend", True, 0.025**2, 0.0, 0.0, 0.0, 0.3**2, -1.9, 0.7)

MODELS = (SPEND, CPM, CTR, CVR, CPL)
"""In the order in which one explains the next."""


@dataclass
class Forecast:
    """What is expected of one metric of all entities of a step today: arrays (entities,)."""

    log: FloatArray
    """Log of the spend, or of the rate per unit of exposure, weekday included."""
    variance: FloatArray
    """Of that log, as far as the level is not known."""
    scale: FloatArray
    """Factor on the variance of a day's figure, learnt."""
    is_known: np.ndarray


@dataclass
class LevelModel:
    """The state of one metric of all entities of a step."""

    metric: Metric
    account: IntArray
    accounts: int
    level: FloatArray = field(init=False)
    slope: FloatArray = field(init=False)
    variance: FloatArray = field(init=False)
    covariance: FloatArray = field(init=False)
    slope_variance: FloatArray = field(init=False)
    days: IntArray = field(init=False)
    squares: FloatArray = field(init=False)
    weights: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        size = self.account.size
        self.level = np.full(size, np.nan)
        self.slope, self.variance, self.covariance, self.slope_variance = (np.zeros(size) for _ in range(4))
        self.days = np.zeros(size, dtype=np.int64)
        self.squares, self.weights = np.zeros(size), np.zeros(size)

    def begin(self, there: np.ndarray, level: FloatArray, variance: float) -> None:
        """Give entities that have no level yet one, where they are `there` and it is finite."""
        new = there & np.isnan(self.level) & np.isfinite(level)
        self.level[new] = level[new]
        self.variance[new] = variance
        self.slope_variance[new] = self.metric.slope_noise * 4

    def age(self, shock: np.ndarray | None = None) -> None:
        """One day passes; `shock` is variance that edits add to the level."""
        metric = self.metric
        if metric.slope_noise:
            damping = metric.slope_damping
            self.level += self.slope
            self.variance += 2 * self.covariance + self.slope_variance
            self.covariance = damping * (self.covariance + self.slope_variance)
            self.slope *= damping
            self.slope_variance = damping**2 * self.slope_variance + metric.slope_noise
        self.variance += metric.level_noise
        if shock is not None:
            self.variance += shock
        np.minimum(self.variance, OLD_LEVEL, out=self.variance)

    def forecast(self, weekday_effect: FloatArray, extra_variance: FloatArray) -> Forecast:
        """What is expected today; both arguments (entities,)."""
        return Forecast(
            log=self.level + weekday_effect,
            variance=self.variance + extra_variance,
            scale=self._scale(),
            is_known=(self.days >= LEAST_DAYS) & np.isfinite(self.level),
        )

    def _scale(self) -> FloatArray:
        """Learnt factor on the variance of a day: the entity's shrunk to its level's in the account."""
        squares = np.bincount(self.account, self.squares, self.accounts) + SCALE_PRIOR_LEVEL
        weights = np.bincount(self.account, self.weights, self.accounts) + SCALE_PRIOR_LEVEL
        level = (squares / weights)[self.account]
        own = (self.squares + SCALE_PRIOR_ENTITY * level) / (self.weights + SCALE_PRIOR_ENTITY)
        return np.clip(own, LEAST_SCALE, MOST_SCALE)

    def learn_scale(self, where: np.ndarray, square: FloatArray, weight: FloatArray) -> None:
        """Squared errors over their expected size (times `weight`) of the entities `where`."""
        self.squares[where] *= SCALE_DECAY
        self.weights[where] *= SCALE_DECAY
        self.squares[where] += (np.minimum(square, MOST_SQUARE) * weight)[where]
        self.weights[where] += weight[where]

    def update(self, where: np.ndarray, log: FloatArray, variance: FloatArray) -> None:
        """The log level of the entities `where` becomes `log`, known up to `variance`; a slope follows."""
        before = np.maximum(self.variance, 1e-12)
        moved = np.where(where, log - self.level, 0.0)
        kept = np.where(where, variance / before, 1.0)
        if self.metric.slope_noise:
            gain = self.covariance / before
            self.slope += gain * moved
            self.slope_variance -= gain * self.covariance * (1.0 - kept)
            self.covariance *= kept
        self.level = np.where(where, self.level + moved, self.level)
        self.variance *= kept
        self.days += where


@dataclass
class WeekdayProfile:
    """Log effects of the steps of a season (the weekdays) on a metric of each account: (accounts, season)."""

    accounts: int
    season: int = 7
    variance: float = WEEKDAY_VARIANCE
    """Of an effect before it is learnt."""
    effect: FloatArray = field(init=False)
    seen: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.effect = np.zeros((self.accounts, self.season))
        self.seen = np.zeros((self.accounts, self.season))

    def learn(self, weekday: int, error: FloatArray, variance: FloatArray, where: np.ndarray) -> None:
        """An account's day was off by `error` in logs, with `variance`; (accounts,)."""
        gain = 1.0 / (self.seen[:, weekday] + 1.0 + variance / self.variance)
        most = WINSOR * np.sqrt(self.variance)
        step = np.where(where, gain * np.clip(error, -most, most), 0.0)
        self.effect[:, weekday] += step
        self.effect -= step[:, None] / self.season
        self.seen[:, weekday] += where
