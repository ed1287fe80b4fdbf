"""Seconds and memory of forecasting 100,000 series of one account, 14 days, reconciled, with intervals.

`python -m benchmarks.forecasts.speed [--series 100000]` makes one account with that many series (four metrics
of campaigns, adsets and ads), and forecasts all levels as of its last date in a process of its own. Prophet's
part of the same is extrapolated from a sample of the same series, one process, its defaults, no backtest.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.anomalies.speed import prepare
from benchmarks.features import FRAMES, LAST, peak_memory
from ml_assets.entities import LEVELS
from ml_assets.features import FeatureInputs
from ml_assets.forecasts.batch import Batch
from ml_assets.forecasts.forecast import forecast_tree
from ml_assets.forecasts.frames import METRICS
from ml_assets.forecasts.inputs import HISTORY_DAYS, ForecastInputs
from ml_assets.forecasts.methods import ProphetMethod
from ml_assets.forecasts.rows import level_rows
from ml_assets.forecasts.tree import build_tree

HORIZON = 14


def measure(folder: Path, sample: int) -> None:
    """Forecast from the inputs in `folder` and print what it took."""
    inputs = ForecastInputs(
        FeatureInputs(**{name: pl.read_parquet(folder / f"{name}.parquet") for name in FRAMES})
    )
    count = inputs.figures.entities.height
    print(
        f"{count:,} entities, {count * len(METRICS):,} series of up to {HISTORY_DAYS} days, "
        f"{HORIZON} days ahead; {peak_memory():,.0f} MB once they are read\n"
    )
    began, worked = time.perf_counter(), time.process_time()
    tree = forecast_tree(inputs, LAST, HORIZON)
    forecast, busy = time.perf_counter() - began, time.process_time() - worked
    print("| part | s | of the processors, s | rows | peak memory so far, MB |")
    print("|---|---|---|---|---|")
    print(f"| the tree, reconciled | {forecast:.1f} | {busy:.1f} | | {peak_memory():,.0f} |", flush=True)
    for level in LEVELS:
        began, worked = time.perf_counter(), time.process_time()
        rows = level_rows(tree, level)
        seconds, busy = time.perf_counter() - began, time.process_time() - worked
        print(
            f"| {level.value}: intervals and rows | {seconds:.1f} | {busy:.1f} | {rows.points.height:,} "
            f"| {peak_memory():,.0f} |",
            flush=True,
        )
    seconds = _prophet_seconds(inputs, sample)
    whole = seconds * count * len(METRICS)
    print(
        f"\nProphet, extrapolated from {sample} fits at {seconds * 1000:.0f} ms: {whole:,.0f} s; "
        f"/ the tree {whole / forecast:,.0f}"
    )


def _prophet_seconds(inputs: ForecastInputs, sample: int) -> float:
    """Seconds a series of Prophet, one process, on spend."""
    batch: Batch = build_tree(inputs, LAST).batch("spend")
    began = np.flatnonzero(np.isfinite(batch.values).sum(axis=1) > HISTORY_DAYS // 2)
    chosen = np.random.default_rng(1).choice(began, sample, replace=False)
    method = ProphetMethod(budget_seconds=600, processes=1)
    warm = time.perf_counter()
    method.forecast(batch.take(chosen[:1]), [batch.days], HORIZON)
    started = time.perf_counter()
    method.forecast(batch.take(chosen), [batch.days], HORIZON)
    return (time.perf_counter() - started - (started - warm)) / (sample - 1)


def main(arguments: list[str] | None = None) -> None:
    """Prepare the account, then measure in a fresh process."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forecasts.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=40, help="series that Prophet fits")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        measure(options.measure, options.sample)
        return
    with tempfile.TemporaryDirectory() as folder:
        print("making the account", file=sys.stderr, flush=True)
        prepare(options.series // len(METRICS), HISTORY_DAYS, Path(folder))
        subprocess.run(  # noqa: S603 - this very module
            [
                sys.executable,
                "-m",
                "benchmarks.forecasts.speed",
                "--measure",
                folder,
                "--sample",
                str(options.sample),
            ],
            check=True,
        )


if __name__ == "__main__":
    main()
