"""Prophet itself (Taylor & Letham 2018, "Forecasting at scale"), one fit per series and origin.

It is slow, so it gets a budget of seconds and several processes, and says afterwards which series it reached.
Processes are spawned, not forked: polars' threads do not survive a fork.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt

from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.forecasts.batch import Batch
from ml_assets.forecasts.methods.prophet_fit import LEAST_KNOWN, Fitted, Job, fit_series, prepare_worker

SIZE_DAYS = 28
"""Days before the last origin whose sum is the size of a series."""

Running = dict[Future[Fitted], int]


@dataclass(frozen=True)
class ProphetForecast:
    """What Prophet said, (origins, series, horizon) each; NaN for series it did not reach."""

    values: FloatArray
    lower: FloatArray | None = None
    """Bounds of Prophet's own interval; None where none was asked for."""
    upper: FloatArray | None = None


@dataclass(frozen=True)
class ProphetReport:
    """Which series Prophet reached, and what that took."""

    fitted: npt.NDArray[np.bool_]
    """(series,): forecast at every origin that has two known days before it."""
    seconds: float
    fits: int
    too_short: npt.NDArray[np.bool_]
    """(series,): fewer than two known days before the last origin."""
    failures: dict[int, str] = field(default_factory=dict)
    """Row of a series -> why its fit failed."""

    @property
    def out_of_budget(self) -> int:
        """How many series were not reached before the budget was used up."""
        return int((~self.fitted & ~self.too_short).sum()) - len(self.failures)


@dataclass(frozen=True)
class ProphetMethod:
    """The method `prophet`: the library's defaults, negative predictions taken as 0.

    The largest series of the last four weeks come first, each with all its origins. No fit starts after
    `budget_seconds`, which include the start of the processes; one that runs then is let finish, and a series
    without all its origins by then has none.
    """

    budget_seconds: float
    processes: int = 2

    @property
    def name(self) -> str:
        """The word that stands in `method`."""
        return "prophet"

    def forecast(self, batch: Batch, origins: Sequence[int], horizon: int) -> FloatArray:
        """See `Method.forecast`. Series that were not reached are NaN; `forecast_with_report` says which."""
        forecast, _ = self.forecast_with_report(batch, origins, horizon)
        return forecast.values

    def forecast_with_report(
        self, batch: Batch, origins: Sequence[int], horizon: int, *, interval_width: float | None = None
    ) -> tuple[ProphetForecast, ProphetReport]:
        """The forecast, with Prophet's own interval of `interval_width` (0.8 is its default), and the report.

        Without an interval nothing is sampled, which halves the time and leaves the forecast as it is.
        """
        begun = time.monotonic()
        out = np.full((3, len(origins), batch.height, horizon), np.nan)
        matured = batch.matured()
        last = max(origins, default=0)
        too_short = np.isfinite(matured[:, :last]).sum(axis=1) < LEAST_KNOWN
        fitted = np.zeros(batch.height, dtype=np.bool_)
        failures: dict[int, str] = {}
        fits = 0
        rows = _largest_first(matured[:, :last], too_short)
        jobs = (
            (int(row), Job(batch.start, matured[row, :last], tuple(origins), horizon, interval_width))
            for row in rows
        )
        for row, found in self._run(jobs, begun + self.budget_seconds, rows.size):
            fits += found.fits
            if found.failure:
                failures[row] = found.failure
            elif found.values is not None:
                out[:, :, row] = found.values
                fitted[row] = True
        report = ProphetReport(fitted, time.monotonic() - begun, fits, too_short, failures)
        bounds = (None, None) if interval_width is None else (out[1], out[2])
        return ProphetForecast(out[0], *bounds), report

    def _run(
        self, jobs: Iterator[tuple[int, Job]], deadline: float, count: int
    ) -> Iterator[tuple[int, Fitted]]:
        """Results of the jobs as they come, with the rows of their series."""
        if not count or time.monotonic() >= deadline:
            return
        pool = ProcessPoolExecutor(
            min(self.processes, count), get_context("spawn"), initializer=prepare_worker
        )
        running: Running = {}
        try:
            while time.monotonic() < deadline:
                # Few ahead: what is queued when the time is up would have to be taken back.
                while len(running) < 2 * self.processes and (job := next(jobs, None)) is not None:
                    running[pool.submit(fit_series, job[1], deadline)] = job[0]
                if not running:
                    return
                yield from _done(running, deadline - time.monotonic())
            yield from _done(running, None)
        except BrokenProcessPool:
            for row in running.values():
                yield row, Fitted(failure="a process of Prophet ended of itself, as for want of memory")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _done(running: Running, timeout: float | None) -> Iterator[tuple[int, Fitted]]:
    """Results of what is ready within `timeout` seconds, of everything where it is None."""
    if timeout is None:
        ready = wait(running).done
    else:
        ready = wait(running, timeout=max(timeout, 0.0), return_when=FIRST_COMPLETED).done
    for future in ready:
        found = future.result()
        yield running.pop(future), found


def _largest_first(matured: FloatArray, too_short: npt.NDArray[np.bool_]) -> IntArray:
    """Rows in order of the sum of the last four weeks; those too short are left out."""
    recent = matured[:, -SIZE_DAYS:]
    size = np.where(np.isfinite(recent), recent, 0.0).sum(axis=1)
    order = np.argsort(-size, kind="stable")
    return order[~too_short[order]]
