"""Prophet and statsforecast with their defaults: what others would take, a fit a series and origin.

Each worker process counts the seconds of the processor of its fits and predictions alone, those of Prophet's
optimiser (a process of its own) with them; reading, imports and the first fit of a process do not count.
Prophet leaves gaps out. The models of statsforecast take none: before the origin a gap gets the last known
value of its weekday (the first known one where there is none), which only helps them.
"""

import datetime as dt
import logging
import warnings
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Self

import numpy as np
import pandas as pd

from benchmarks.forecasts.outcome import Outcome, processor_seconds
from benchmarks.forecasts.series import HORIZON, Part
from ml_assets.features.grid import FloatArray
from ml_assets.forecasts.batch import WEEK

PROCESSES = 2
COVERAGE = 80
TASKS_AT_ONCE = 8
SAID_EVERY = 200

Task = tuple[str, dt.date, FloatArray]
"""Method, first day, the days before an origin (NaN: a gap)."""

Answer = tuple[FloatArray, float]
"""(horizon, 3): point, lower, upper; seconds of the processor."""


def prophet(start: dt.date, values: FloatArray) -> FloatArray:
    """Prophet as it is, with an 80 % interval."""
    from prophet import Prophet  # noqa: PLC0415 - takes a second, and only workers need it

    days = pd.date_range(start, periods=values.size + HORIZON)
    model = Prophet(interval_width=COVERAGE / 100)
    model.fit(pd.DataFrame({"ds": days[: values.size], "y": values}))
    found = model.predict(pd.DataFrame({"ds": days[values.size :]}))
    return found[["yhat", "yhat_lower", "yhat_upper"]].to_numpy()


def statsforecast(name: str, values: FloatArray) -> FloatArray:
    """A model of statsforecast with a season of a week and defaults otherwise."""
    from statsforecast import models  # noqa: PLC0415 - takes seconds, and only workers need it

    model = getattr(models, name)(season_length=WEEK)
    found = model.forecast(y=without_gaps(values), h=HORIZON, level=[COVERAGE])
    return np.stack([found["mean"], found[f"lo-{COVERAGE}"], found[f"hi-{COVERAGE}"]], axis=1)


def without_gaps(values: FloatArray) -> FloatArray:
    """Gaps filled with the last known value of their weekday, or the first: (days,)."""
    weeks = np.full((-(-values.size // WEEK)) * WEEK, np.nan)
    weeks[: values.size] = values
    filled = pd.DataFrame(weeks.reshape(-1, WEEK)).ffill().bfill()
    return filled.bfill(axis=1).ffill(axis=1).to_numpy().ravel()[: values.size]


METHODS: dict[str, Callable[[dt.date, FloatArray], FloatArray]] = {
    "Prophet": prophet,
    "AutoETS": lambda _start, values: statsforecast("AutoETS", values),
    "AutoTheta": lambda _start, values: statsforecast("AutoTheta", values),
    "SeasonalNaive": lambda _start, values: statsforecast("SeasonalNaive", values),
}
"""Name -> forecast of the `HORIZON` days after `values`."""


class Workers:
    """`PROCESSES` processes that forecast by the named methods; used in a `with`."""

    def __init__(self, methods: Sequence[str]) -> None:
        self._pool = get_context("spawn").Pool(PROCESSES, _begin, (methods,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._pool.terminate()

    def run(self, method: str, part: Part, said: Callable[[str], None]) -> Outcome:
        """The scored rows of `part` by one of `METHODS`; progress goes to `said`."""
        batch = part.batch
        tasks: list[Task] = []
        for origin in part.origins:
            for row in part.scored:
                values = batch.values[row, :origin]
                first = int(np.isfinite(values).argmax())
                tasks.append((method, batch.start + dt.timedelta(days=first), values[first:]))
        answers: list[Answer] = []
        for answer in self._pool.imap(_forecast, tasks, chunksize=TASKS_AT_ONCE):
            answers.append(answer)
            if len(answers) % SAID_EVERY == 0 or len(answers) == len(tasks):
                said(f"{part.name}: {method}, {len(answers):,} of {len(tasks):,} fits")
        shape = (len(part.origins), part.scored.size, HORIZON, 3)
        found = np.stack([answer[0] for answer in answers]).reshape(shape)
        return Outcome(
            points=found[..., 0],
            seconds=sum(answer[1] for answer in answers) / len(answers),
            lower=found[..., 1],
            upper=found[..., 2],
        )


def _begin(methods: Sequence[str]) -> None:
    """Prepare a worker: quiet, everything imported and compiled."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    weeks = np.tile(np.arange(1.0, 1.0 + WEEK), 6) + np.random.default_rng(1).normal(0.0, 0.1, 6 * WEEK)
    for method in methods:
        METHODS[method](dt.date(2026, 1, 1), weeks)


def _forecast(task: Task) -> Answer:
    method, start, values = task
    began = processor_seconds()
    found = METHODS[method](start, values)
    return found, processor_seconds() - began
