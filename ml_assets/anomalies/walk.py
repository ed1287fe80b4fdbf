"""Goes through the days of a panel: what is expected of each, how it is tested, what is learnt from it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from ml_assets.anomalies.expectation import (
    CPM,
    LEAST_COUNT,
    MODELS,
    NEW_ENTITY_VARIANCE,
    OLD_LEVEL,
    SPEND,
    SPEND_WEEKDAY_VARIANCE,
    WEEKDAY_VARIANCE,
    Forecast,
    LevelModel,
    Metric,
    WeekdayProfile,
)
from ml_assets.anomalies.likelihood import Evidence, Tested, dispersion_of, test_counts, test_money
from ml_assets.anomalies.panel import Panel, Step
from ml_assets.features.grid import FloatArray

FLAGGED = 1e-4
"""p-value from which a day is left out of what is learnt, of the entity and all below it."""

DOUBTED = 1e-3
"""p-value of the day alone from which it is left out for the entity."""

EDITED = 0.05
"""Variance of an edit from which gathered evidence is forgotten."""

MANY_ZEROS = 3
ZERO_WINDOW = 28
"""An entity with so many days without spend in so many live ones is not judged for another one."""

THREADS, THREADS_FROM = 2, 5_000
"""Metrics worked on at once, where a step has so many entities."""

LEADS = ("cvr", "cpl")
"""Metrics of leads: not judged while the day runs, nor where leads are not the goal."""

Day = dict[str, list[Tested]]
"""Metric -> the tests of each step, from the account down."""


Relevel = dict[str, list[np.ndarray]]
"""Metric -> per step the day from which each entity has a new level that people call normal, or -1."""


@dataclass
class _Learner:
    """Everything known of one metric; lists are per step."""

    metric: Metric
    levels: list[LevelModel]
    evidence: list[Evidence]
    profile: WeekdayProfile
    flagged_days: list[np.ndarray]
    relevel: list[np.ndarray] | None


@dataclass(frozen=True)
class _Seen:
    """What was delivered in one metric of a step on a day: arrays (entities,)."""

    observed: FloatArray
    exposure: FloatArray
    extra_noise: FloatArray
    is_there: np.ndarray
    is_live: np.ndarray


def walk(
    panel: Panel, first: int, new_normal_days: int, relevel: Relevel | None = None
) -> Iterator[tuple[int, Day]]:
    """Yield (day, tests) from the day `first` on; the days before are only learnt from.

    A level that is off for `new_normal_days` is taken for the new one.
    """
    learners = [
        _Learner(
            metric=metric,
            levels=[LevelModel(metric, step.account, panel.accounts.height) for step in panel.steps],
            evidence=[Evidence(metric, step.height) for step in panel.steps],
            profile=WeekdayProfile(
                panel.accounts.height,
                variance=SPEND_WEEKDAY_VARIANCE if metric is SPEND else WEEKDAY_VARIANCE,
            ),
            flagged_days=[np.zeros(step.height, dtype=np.int64) for step in panel.steps],
            relevel=None if relevel is None else relevel.get(metric.name),
        )
        for metric in MODELS
    ]
    zeros = [np.zeros(step.height) for step in panel.steps]
    # The metrics do not know of each other; threads pay where their arrays are large.
    many = max(step.height for step in panel.steps) >= THREADS_FROM
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        apply = pool.map if many else map
        yield from _days(panel, first, learners, zeros, new_normal_days, apply)


def _days(
    panel: Panel,
    first: int,
    learners: list[_Learner],
    zeros: list[FloatArray],
    new_normal_days: int,
    apply: Callable[..., Iterator[list[Tested]]],
) -> Iterator[tuple[int, Day]]:
    # Of today's run of days without spend nothing counts: what stopped stays judged, what rests does not.
    rested = [values.copy() for values in zeros]
    for day in range(panel.days):
        judge = partial(_pass, panel=panel, day=day, zeros=rested, new_normal_days=new_normal_days)
        told = {
            learner.metric.name: tests
            for learner, tests in zip(learners, apply(judge, learners), strict=True)
        }
        for index, step in enumerate(panel.steps):
            silent = step.figures["spend"][:, day] <= 0
            zeros[index] += step.is_live[:, day] * (silent - zeros[index] / ZERO_WINDOW)
            rested[index][~silent] = zeros[index][~silent]
        if day >= first:
            yield day, told


def _pass(
    learner: _Learner, panel: Panel, day: int, zeros: list[FloatArray], new_normal_days: int
) -> list[Tested]:
    """Test the day in one metric from the account down, and learn from it."""
    with np.errstate(divide="ignore", invalid="ignore"):  # of each thread its own
        return _judge_and_learn(learner, panel, day, zeros, new_normal_days)


def _judge_and_learn(
    learner: _Learner, panel: Panel, day: int, zeros: list[FloatArray], new_normal_days: int
) -> list[Tested]:
    metric = learner.metric
    results: list[Tested] = []
    flagged_above: np.ndarray | None = None
    for index, step in enumerate(panel.steps):
        model, evidence, flagged_days = (
            learner.levels[index], learner.evidence[index], learner.flagged_days[index],
        )  # fmt: skip
        seen = _seen(metric, panel, step, day)
        _begin_rates(learner, index, step, seen)
        shock = step.shock[:, day] if metric is SPEND else None
        model.age(shock)
        weekday = int(panel.weekday[day])
        forecast = model.forecast(learner.profile.effect[step.account, weekday], np.zeros(step.height))
        where = seen.is_live & seen.is_there
        if metric is SPEND:
            rests = (seen.observed <= 0) & ((zeros[index] >= MANY_ZEROS) | (flagged_days >= new_normal_days))
            where &= ~rests
            evidence.forget((step.shock[:, day] > EDITED) | ~seen.is_live)
        tested, error, variance = _test(metric, forecast, seen, model, where)
        renewed = where & (seen.observed > 0)
        renewed &= False if learner.relevel is None else learner.relevel[index] == day
        tested.call_usual(renewed)
        evidence.add(tested, forecast, None if metric.is_count else error, variance)
        flagged = tested.is_tested & (tested.p_value <= FLAGGED)
        left_out = flagged | (tested.is_tested & (tested.day_p_value <= DOUBTED))
        if flagged_above is not None:
            above = flagged_above[step.parent.index]
            evidence.forget(above)  # what moves the level above is no evidence of its own
            flagged = flagged | above
            left_out |= flagged
        flagged_above = flagged
        flagged_days += left_out & where
        flagged_days[where & ~left_out] = 0
        settled = renewed | ((flagged_days >= new_normal_days) & (seen.observed > 0) & where)
        if settled.any():
            model.variance[settled] = OLD_LEVEL
            evidence.forget(settled)
            flagged_days[settled] = 0
            left_out &= ~settled
        running = panel.share[step.account, day] < 1.0
        learnt = where & ~left_out & ~running & np.isfinite(model.level) & np.isfinite(seen.observed)
        usual = learnt & ~settled  # how far days vary is not learnt from the first one of a new level
        _learn(learner, index, forecast, tested, error, variance, seen, learnt, usual)
        if index == 0:
            _learn_weekday(learner, panel, day, tested, usual)
        if metric is SPEND:
            with np.errstate(divide="ignore"):
                own = np.log(seen.observed) - learner.profile.effect[step.account, weekday]
            model.begin(where & ~running & (seen.observed > 0), own, metric.noise)
        results.append(tested)
    return results


def _seen(metric: Metric, panel: Panel, step: Step, day: int) -> _Seen:
    observed = step.column(metric.observed, day)
    share = panel.share[step.account, day]
    live = step.is_live[:, day] & step.is_judged[:, day]
    noise = np.where(panel.holiday[step.account, day], metric.holiday_noise, 0.0)
    if metric.exposure is None:
        exposure = share.copy()
        noise = noise + panel.share_deviation[step.account, day] ** 2
        there = np.ones(step.height, dtype=bool)
    else:
        exposure = step.column(metric.exposure, day)
        there = exposure > 0
    if metric.name in LEADS:
        exposure = exposure * panel.visible[step.account, day]
        there &= step.seeks_leads & (share >= 1.0)
    if metric is CPM:
        noise = noise + 1.0 / np.maximum(exposure, 1.0)
        there &= observed > 0
    return _Seen(observed, exposure, noise, there, live)


def _begin_rates(learner: _Learner, index: int, step: Step, seen: _Seen) -> None:
    """A new entity's rate begins as its parent's, an account's as its first day's."""
    if learner.metric is SPEND:
        return
    model = learner.levels[index]
    if not np.isnan(model.level).any():
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.log(seen.observed / seen.exposure)
    level = learner.levels[index - 1].level[step.parent.index] if index else own
    model.begin(seen.is_live & seen.is_there, level, NEW_ENTITY_VARIANCE)


def _test(
    metric: Metric, forecast: Forecast, seen: _Seen, model: LevelModel, where: np.ndarray
) -> tuple[Tested, FloatArray, FloatArray]:
    """The tests, the log error (counts: the plain one) and its variance (counts: the dispersion)."""
    if not metric.is_count:
        return test_money(metric, forecast, seen.observed, seen.exposure, seen.extra_noise, model.days, where)
    tested = test_counts(forecast, seen.observed, seen.exposure, seen.extra_noise, where)
    return (
        tested,
        seen.observed - tested.expected,
        dispersion_of(forecast, tested.expected, seen.extra_noise),
    )


def _learn(
    learner: _Learner,
    index: int,
    forecast: Forecast,
    tested: Tested,
    error: FloatArray,
    variance: FloatArray,
    seen: _Seen,
    learnt: np.ndarray,
    usual: np.ndarray,
) -> None:
    metric, model = learner.metric, learner.levels[index]
    prior = np.maximum(model.variance, 1e-9)  # more than was forecast with where a new level has settled
    if not metric.is_count:
        learnt = learnt & (seen.observed > 0)
        noise = metric.noise + seen.extra_noise
        model.learn_scale(usual & tested.is_tested, error**2 / variance, np.ones_like(error))
        log = model.level + np.where(learnt, prior / (prior + noise) * error, 0.0)
        model.update(learnt, log, prior * noise / (prior + noise))
        return
    # Young entities are not tested, but learnt from: their expectation is made here.
    mean = np.where(np.isfinite(tested.expected), tested.expected, np.exp(forecast.log) * seen.exposure)
    mean = np.maximum(np.nan_to_num(mean), 1e-9)
    enough = usual & tested.is_tested & (mean >= LEAST_COUNT)
    size = mean * (1.0 + mean * (forecast.variance + seen.extra_noise))
    model.learn_scale(enough, np.nan_to_num((seen.observed - mean) ** 2 / size), np.ones_like(mean))
    dispersion = np.maximum(forecast.scale, 1.0) * (1.0 + mean * seen.extra_noise)
    shape = 1.0 / prior
    count = np.nan_to_num(seen.observed) / dispersion
    log = model.level + np.log((shape + count) / (shape + mean / dispersion))
    model.update(learnt, log, 1.0 / (shape + count))


def _learn_weekday(learner: _Learner, panel: Panel, day: int, tested: Tested, learnt: np.ndarray) -> None:
    known = learnt & tested.is_tested & (tested.observed > 0) & ~panel.holiday[:, day]
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(known, np.log(tested.observed / tested.expected), 0.0)
        variance = np.where(known, (tested.deviation / tested.expected) ** 2, 1.0)
    learner.profile.learn(int(panel.weekday[day]), error, variance, known)
