"""Seconds and memory of judging one date of 100,000 entities, against |z| and IQR in a pandas loop.

`python -m benchmarks.anomalies.speed [--entities 100000]` makes one account of that many entities (12 ads
in 4 adsets to a campaign), breaks some of its campaigns on the last days, and judges the last date in a
process of its own, each level as its own partition does. The pandas loop goes over a sample of the same
entities in the same process and is extrapolated: it only compares each metric with its own last days.
"""

import argparse
import datetime as dt
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.anomalies.naive import COUNTS, IQR, LEAST_DAYS, RATES, WINDOW_DAYS, Z
from benchmarks.features import FRAMES, LAST, make_inputs, peak_memory
from ml_assets.anomalies.detect import detect_anomalies
from ml_assets.anomalies.inputs import LOOKBACK_DAYS, AnomalyInputs
from ml_assets.entities import LEVELS
from ml_assets.features import FeatureInputs

ADS_OF_ALL = 12 / 17
"""12 ads, 4 adsets and a campaign make 17 entities."""

SPREAD = 0.5
"""Deviation of the log lead rates of ads."""

BROKEN_DAYS = 3
EVERY = 100
STOPPED, TRACKING, TRIPLED = 7, 13, 23
"""Of every `EVERY` campaigns these stop, lose their leads, and spend three times as much on the last days."""


def prepare(entities: int, days: int, folder: Path) -> None:
    """Write the inputs of one account to `folder`."""
    inputs = make_inputs(round(entities * ADS_OF_ALL), days, SPREAD)
    for name in FRAMES:
        frame = broken(inputs.metrics) if name == "metrics" else getattr(inputs, name)
        frame.write_parquet(folder / f"{name}.parquet")


def broken(metrics: pl.DataFrame) -> pl.DataFrame:
    """ENTITY_METRICS with what happened to some campaigns on the last days, at all levels alike."""
    is_late = pl.col("date") > pl.lit(LAST).dt.offset_by(f"-{BROKEN_DAYS}d")
    which = pl.when(is_late).then(pl.col("campaign_id").str.slice(1).cast(pl.Int64) % EVERY)
    tripled = pl.when(which == TRIPLED).then(3).otherwise(1)
    return metrics.filter((which != STOPPED).fill_null(value=True)).with_columns(
        pl.col("spend", "impressions", "clicks") * tripled,
        leads=pl.when(which == TRACKING).then(0).otherwise(pl.col("leads") * tripled),
    )


def pandas_alarms(days: pd.DataFrame, day: dt.date) -> list[tuple[str, str]]:
    """(entity_id, metric) out of line on `day`, by a loop over entities, as a script would do it."""
    alarms: list[tuple[str, str]] = []
    date = np.datetime64(day)
    first = date - np.timedelta64(WINDOW_DAYS, "D")
    for entity_id, group in days.groupby("entity_id"):
        series = group.set_index("date")
        for name, (above, below) in RATES.items():
            series[name] = series[above] / series[below].where(series[below] > 0)
        before = series[(series.index < date) & (series.index >= first)]
        if date not in series.index:
            continue
        now = series.loc[date]
        for metric in (*COUNTS, *RATES):
            history = pd.Series(before[metric]).dropna()
            if len(history) < LEAST_DAYS or np.isnan(now[metric]):
                continue
            low, high = history.quantile(0.25), history.quantile(0.75)
            spread = IQR * (high - low)
            is_far = abs(now[metric] - history.mean()) > Z * history.std()
            if is_far or now[metric] < low - spread or now[metric] > high + spread:
                alarms.append((str(entity_id), metric))
    return alarms


def measure(folder: Path, sample: int) -> None:
    """Judge the last date from the inputs in `folder` and print what it took."""
    figures = FeatureInputs(**{name: pl.read_parquet(folder / f"{name}.parquet") for name in FRAMES})
    count = figures.entities.height
    sizes: Mapping[str, int] = dict(figures.entities.group_by("entity_type").len().rows())
    print(
        f"{count:,} entities ({', '.join(f'{sizes[level.value]:,} {level.value}s' for level in LEVELS)}), "
        f"{figures.metrics.height:,} rows of figures; {peak_memory():,.0f} MB once they are read\n"
    )
    print("| level | s | of the processor, s | anomalies | incidents | issued | peak memory so far, MB |")
    print("|---|---|---|---|---|---|---|")
    total = 0.0
    for level in LEVELS:
        began, worked = time.perf_counter(), time.process_time()
        found = detect_anomalies(AnomalyInputs(figures), level, [LAST])
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
        total += seconds
        issued = found.incidents.filter(pl.col("alert_rank").is_not_null()).height
        print(
            f"| {level.value} | {seconds:.2f} | {worked:.2f} | {found.anomalies.height:,} "
            f"| {found.incidents.height:,} | {issued:,} | {peak_memory():,.0f} |",
            flush=True,
        )
    print()
    per_entity = _pandas_seconds(figures, sample)
    print(
        f"pandas loop over entities, extrapolated from {sample:,}: {per_entity * count:.0f} s; "
        f"loop / all three levels {per_entity * count / total:.1f}, "
        f"loop / one level {per_entity * count / (total / len(LEVELS)):.1f}"
    )


def _pandas_seconds(figures: FeatureInputs, sample: int) -> float:
    """Seconds an entity of the pandas loop; reading the figures into pandas does not count."""
    ids = figures.entities["entity_id"].sample(sample, seed=1)
    rows = figures.metrics.filter(
        pl.col("entity_id").is_in(ids.implode()),
        pl.col("date") >= pl.lit(LAST).dt.offset_by(f"-{WINDOW_DAYS}d"),
    ).select("entity_id", "date", *COUNTS)
    days = rows.to_pandas()
    days["date"] = pd.to_datetime(days["date"])
    began = time.perf_counter()
    pandas_alarms(days, LAST)
    return (time.perf_counter() - began) / sample


def main(arguments: list[str] | None = None) -> None:
    """Prepare the account, then measure in a fresh process."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.anomalies.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=LOOKBACK_DAYS + 1, help="days of figures")
    parser.add_argument("--sample", type=int, default=300, help="entities in the pandas loop")
    parser.add_argument("--on", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.on:
        measure(given.on, given.sample)
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(given.entities, given.days, Path(folder))
        command = [sys.executable, "-m", "benchmarks.anomalies.speed", "--on", folder]
        subprocess.run([*command, "--sample", str(given.sample)], check=True)  # noqa: S603 - this module itself


if __name__ == "__main__":
    main()
