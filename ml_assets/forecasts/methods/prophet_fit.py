"""What a process of Prophet does: one series at all its origins. The processes are run in `prophet`."""

import datetime as dt
import logging
import multiprocessing
import os
import signal
import threading
import time
import warnings
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ml_assets.features.grid import FloatArray

LEAST_KNOWN = 2
"""Known days Prophet wants."""

SEED = 20_240_229
"""Of the samples of Prophet's interval."""


@dataclass(frozen=True)
class Job:
    """One series: its matured values, NaN where not known, and what is asked for."""

    start: dt.date
    values: FloatArray
    origins: tuple[int, ...]
    horizon: int
    interval_width: float | None


@dataclass(frozen=True)
class Fitted:
    """What came of a job; without values and failure the time was up."""

    values: FloatArray | None = None
    """(3, origins, horizon): forecast, lower and upper bound."""
    fits: int = 0
    failure: str = ""


def prepare_worker() -> None:
    """Make the process quiet, single-threaded, and end it with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends the pool
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)  # cmdstanpy writes two lines per fit and sets its level when imported
    import prophet  # noqa: F401, PLC0415 - so that no fit waits for it

    threadpool_limits(limits=1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def fit_series(job: Job, deadline: float) -> Fitted:
    """Forecasts at all origins, the last first; nothing where the monotonic clock is past `deadline`."""
    out = np.full((3, len(job.origins), job.horizon), np.nan)
    fits = 0
    for place in reversed(range(len(job.origins))):
        if time.monotonic() >= deadline:
            return Fitted(fits=fits)
        if np.isfinite(job.values[: job.origins[place]]).sum() < LEAST_KNOWN:
            continue
        fits += 1
        try:
            out[:, place] = _fit(job, job.origins[place])
        except Exception as error:  # noqa: BLE001 - one series that Prophet fails on must not end the others
            return Fitted(fits=fits, failure=f"{type(error).__name__}: {error}")
    return Fitted(out, fits)


def _fit(job: Job, origin: int) -> FloatArray:
    """Forecast, lower and upper bound of the days after an origin: (3, horizon)."""
    import pandas as pd  # noqa: PLC0415 - used in these processes alone
    from prophet import Prophet  # noqa: PLC0415

    days = np.datetime64(job.start, "ns") + np.arange(origin + job.horizon) * np.timedelta64(1, "D")
    known = np.isfinite(job.values[:origin])
    past = pd.DataFrame({"ds": days[:origin][known], "y": job.values[:origin][known]})
    if job.interval_width is None:
        model = Prophet(uncertainty_samples=0)
    else:
        model = Prophet(interval_width=job.interval_width)
        np.random.seed(SEED)  # noqa: NPY002 - Prophet samples from the global generator
    model.fit(past)
    found = model.predict(pd.DataFrame({"ds": days[origin:]}))
    columns = ["yhat"] if job.interval_width is None else ["yhat", "yhat_lower", "yhat_upper"]
    out = np.full((3, job.horizon), np.nan)
    out[: len(columns)] = np.maximum(found[columns].to_numpy().T, 0.0)
    return out
