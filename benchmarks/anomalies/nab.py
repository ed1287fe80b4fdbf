"""`python -m benchmarks.anomalies.nab` scores the univariate detector on real prices of an ad exchange.

python -m benchmarks.anomalies.nab --data FOLDER   # with nab_realAdExchange and the published scores
python -m benchmarks.anomalies.nab --verbose       # every window and every false alarm

Four hourly series of cost per click and per thousand impressions with labelled windows, from the Numenta
Anomaly Benchmark (MIT), under its standard profile: a window is worth more the earlier its first alarm comes,
an alarm outside of windows costs a little, a missed window one point (Lavin and Ahmad 2015, "Evaluating
real-time anomaly detection algorithms"). The first 15 % of a series are not scored.

NAB chooses for each detector the one threshold that scores best over the very corpus it is scored on (all its
categories). So does the first row here, over these four series; the second has the product's own threshold,
chosen without them.
"""

import argparse
import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.special import ndtr

from benchmarks.anomalies.public_data import data_folder, skip_reason
from benchmarks.decisions.report import print_table
from ml_assets.anomalies.univariate import judge_series
from ml_assets.anomalies.walk import FLAGGED
from ml_assets.features.grid import FloatArray

FOLDER = "anomalies"
SERIES = "nab_realAdExchange"
PUBLISHED = "nab_scores_by_category_standard.csv"
CATEGORY = "realAdExchange"

PROBATION = 0.15
MOST_PROBATION = 5000
"""The first rows of a series are not scored: this share of it, as if it had at most so many rows."""

FOUND, FALSE_ALARM, MISSED = 1.0, 0.11, 1.0
"""Weights of NAB's standard profile."""

FAR = 3.0
"""Widths behind a window from which a false alarm costs in full."""

STEEPNESS = 5.0
HOURS_A_DAY, HOURS_A_WEEK = 24, 168
LARGEST_TRIED = 0.05
"""p-values up to here are tried as thresholds."""


@dataclass(frozen=True)
class Series:
    """A series, its windows as first and last row, and how NAB would count an alarm in each row."""

    name: str
    times: list[dt.datetime]
    values: FloatArray
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows at the beginning that are not scored."""
        return int(PROBATION * min(len(self.times), MOST_PROBATION))


def sigmoid(position: FloatArray) -> FloatArray:
    """What an alarm is worth by its place: 1 nearly at -1, 0 at the window's end (0), -1 far behind."""
    return np.where(position >= FAR, -1.0, 2.0 / (1.0 + np.exp(STEEPNESS * np.minimum(position, FAR))) - 1.0)


def worth(rows: int, windows: Sequence[tuple[int, int]]) -> tuple[FloatArray, np.ndarray]:
    """Per row what an alarm in it adds, and the number of the window it is in (-1: none)."""
    row = np.arange(rows)
    value = np.full(rows, -FALSE_ALARM)
    window = np.full(rows, -1)
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        inside = (row >= first) & (row <= last)
        window[inside] = number
        value[inside] = FOUND * (sigmoid((row - last - 1) / width) / sigmoid(np.array(-1.0)))[inside]
        behind = row > last
        value[behind] = FALSE_ALARM * sigmoid((row - last) / (width - 1))[behind]
    return value, window


def raw_score(alarms: np.ndarray, series: Series) -> float:
    """NAB's score of the alarms (rows,) of one series: at most the number of its windows."""
    value, window = worth(alarms.size, series.windows)
    scored = alarms & (np.arange(alarms.size) >= series.probation)
    total = float(value[scored & (window < 0)].sum())
    for number in range(len(series.windows)):
        hits = value[scored & (window == number)]
        total += float(hits.max()) if hits.size else -MISSED
    return total


def normalised(alarms: Sequence[np.ndarray], corpus: Sequence[Series]) -> float:
    """100 for a perfect detector, 0 for one that says nothing."""
    windows = sum(len(series.windows) for series in corpus)
    score = sum(raw_score(alarm, series) for alarm, series in zip(alarms, corpus, strict=True))
    return 100.0 * (score + MISSED * windows) / ((FOUND + MISSED) * windows)


def read_corpus(folder: Path) -> list[Series]:
    """The series of windows.json, in its order."""
    found = []
    for path, windows in json.loads((folder / "windows.json").read_text(encoding="utf-8")).items():
        frame = pl.read_csv(folder / Path(path).name).with_columns(
            pl.col("timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S")
        )
        times = frame["timestamp"].to_list()
        place = {time: row for row, time in enumerate(times)}
        found.append(
            Series(
                name=Path(path).stem.removesuffix("_results"),
                times=times,
                values=frame["value"].to_numpy(),
                windows=tuple((place[_time(first)], place[_time(last)]) for first, last in windows),
            )
        )
    return found


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def judge(series: Series) -> FloatArray:
    """p-value of each row, judged hour by hour with a season of a day; hours that are missing stay so."""
    hour = [round((time - series.times[0]).total_seconds() / 3600) for time in series.times]
    by_hour = np.full(hour[-1] + 1, np.nan)
    by_hour[hour] = series.values
    return judge_series(by_hour, HOURS_A_DAY)[hour]


def judge_by_window(series: Series) -> FloatArray:
    """p-value of each row under a normal like the week before it: the simplest detector."""
    column = pl.Series(series.values)
    before = column.shift(1)
    mean = before.rolling_mean(HOURS_A_WEEK, min_samples=HOURS_A_DAY)
    deviation = before.rolling_std(HOURS_A_WEEK, min_samples=HOURS_A_DAY)
    score = ((column - mean) / deviation).abs().fill_null(0.0).fill_nan(0.0)
    return 2.0 * ndtr(-score.to_numpy())


def best_threshold(p_values: Sequence[FloatArray], corpus: Sequence[Series]) -> float:
    """The one p-value that scores best over the corpus, alarms at or below it: chosen in hindsight."""
    tried = np.unique(np.concatenate(p_values))
    tried = tried[tried <= LARGEST_TRIED]
    scores = [normalised([p <= limit for p in p_values], corpus) for limit in tried]
    return float(tried[int(np.argmax(scores))])


def _row(name: str, limit: float, p_values: Sequence[FloatArray], corpus: Sequence[Series]) -> list[object]:
    alarms = [p <= limit for p in p_values]
    found = false = 0
    for alarm, series in zip(alarms, corpus, strict=True):
        window = worth(alarm.size, series.windows)[1]
        scored = alarm & (np.arange(alarm.size) >= series.probation)
        found += np.unique(window[scored & (window >= 0)]).size
        false += int((scored & (window < 0)).sum())
    windows = sum(len(series.windows) for series in corpus)
    return [name, f"{limit:.0e}", f"{found} / {windows}", false, f"{normalised(alarms, corpus):.1f}"]


def _list_alarms(p_values: Sequence[FloatArray], corpus: Sequence[Series]) -> None:
    rows: list[list[object]] = []
    for p_value, series in zip(p_values, corpus, strict=True):
        window = worth(p_value.size, series.windows)[1]
        for row in np.flatnonzero((p_value <= FLAGGED) & (np.arange(p_value.size) >= series.probation)):
            place = f"window {window[row] + 1}" if window[row] >= 0 else "false"
            rows.append([series.name, series.times[row], f"{p_value[row]:.0e}", place])
    print_table(["series", "alarm", "p", ""], rows)


def main(arguments: list[str] | None = None) -> None:
    """Judge the series and print the scores beside the published ones."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.anomalies.nab",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help=f"folder with {SERIES}/ and {PUBLISHED}")
    parser.add_argument("--verbose", action="store_true", help="list the alarms")
    given = parser.parse_args(arguments)
    folder = data_folder(given.data, FOLDER)
    reason = skip_reason(folder, f"{SERIES}/windows.json")
    if reason:
        print(reason)
        return
    corpus = read_corpus(folder / SERIES)
    ours, simple = [judge(series) for series in corpus], [judge_by_window(series) for series in corpus]
    windows = sum(len(series.windows) for series in corpus)
    print(
        f"{len(corpus)} series of {CATEGORY} with {windows} windows: one missed window is "
        f"{100 / windows:.0f} points, so read coarsely.\n"
    )
    print_table(
        ["here, on these series", "threshold", "windows found", "false alarms", "score"],
        [
            _row("`judge_series`, threshold chosen in hindsight, as NAB does", best_threshold(ours, corpus),
                 ours, corpus),
            _row("`judge_series`, the product's threshold", FLAGGED, ours, corpus),
            _row("normal of the week before, threshold chosen in hindsight", best_threshold(simple, corpus),
                 simple, corpus),
            _row("normal of the week before, the product's threshold", FLAGGED, simple, corpus),
        ],
    )  # fmt: skip
    if skip_reason(folder, PUBLISHED) is None:
        published = pl.read_csv(folder / PUBLISHED).sort(CATEGORY, descending=True)
        print(f"Published, over all six series of {CATEGORY} (two are not here), thresholds in hindsight:\n")
        print_table(["detector", "score"], published.select("detector", CATEGORY).rows())
    if given.verbose:
        _list_alarms(ours, corpus)


if __name__ == "__main__":
    main()
