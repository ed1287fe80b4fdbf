"""`python -m benchmarks.anomalies.root_cause` names the causes of real drops of a ratio and scores them.

python -m benchmarks.anomalies.root_cause --data FOLDER   # with causes.yaml and a CSV a case
python -m benchmarks.anomalies.root_cause --verbose       # every case

The cases are those of RobustSpot as they come with RiskLoc (MIT): value / cnt, a share of stalled requests,
per minute and leaf. The minute named in causes.yaml is held against the mean of the four before it, as the
publication does. A cause counts as found when exactly its attributes and values are named; F1 is micro, over
the causes of all cases together. One setting for all cases: the defaults of `explain_change`.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from benchmarks.anomalies.public_data import data_folder, skip_reason
from benchmarks.decisions.report import print_table
from ml_assets.anomalies.explain_change import EXPOSURES, VALUES, ExplainLimits, explain_change

MINUTE = 60
MINUTES_BEFORE = 4
FOLDER = "root_cause/robustspot"
F1_AT_LEAST = 0.42
PUBLISHED = {"RobustSpot": 0.42, "Adtributor": 0.27}
"""Micro F1 with default settings over all 135 cases, of which those here are a part."""

Cause = frozenset[tuple[str, str]]
"""Attributes and their values."""


@dataclass(frozen=True)
class Case:
    """A drop and what caused it."""

    name: str
    dimensions: list[str]
    leaves: pl.DataFrame
    causes: frozenset[Cause]


@dataclass(frozen=True)
class Counts:
    """Causes named rightly and wrongly, and those not named."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def f1(self) -> float:
        """Micro F1; 0 where nothing was named or to be named."""
        return 2 * self.right / max(2 * self.right + self.wrong + self.missed, 1)


def read_cases(folder: Path) -> Iterator[Case]:
    """The cases of causes.yaml, in its order."""
    for told in yaml.safe_load((folder / "causes.yaml").read_text(encoding="utf-8")):
        frame = pl.read_csv(folder / f"{told['data']}.csv", infer_schema=False).with_columns(
            pl.col("min").cast(pl.Int64), pl.col("value", "cnt").cast(pl.Float64)
        )
        dimensions = [name for name in frame.columns if name not in {"min", "value", "cnt"}]
        causes = told["cause"] if isinstance(told["cause"], list) else [told["cause"]]
        yield Case(
            name=told["data"],
            dimensions=dimensions,
            leaves=_leaves(frame, dimensions, told["timestamp"]),
            causes=frozenset(
                frozenset((name, str(value)) for name, value in cause.items()) for cause in causes
            ),
        )


def _leaves(frame: pl.DataFrame, dimensions: list[str], minute: int) -> pl.DataFrame:
    """Value and exposure of every leaf, before and at the minute; 0 where it was not there."""
    sums = [pl.col("value").sum(), pl.col("cnt").sum()]
    before = frame.filter(
        pl.col("min").is_in([minute - MINUTE * back for back in range(1, MINUTES_BEFORE + 1)])
    )
    minutes = before["min"].n_unique()
    expected = before.group_by(dimensions).agg(
        (total / minutes).alias(name) for total, name in zip(sums, (VALUES[0], EXPOSURES[0]), strict=True)
    )
    observed = (
        frame.filter(pl.col("min") == minute)
        .group_by(dimensions)
        .agg(total.alias(name) for total, name in zip(sums, (VALUES[1], EXPOSURES[1]), strict=True))
    )
    return observed.join(expected, on=dimensions, how="full", coalesce=True).with_columns(
        pl.col(*VALUES, *EXPOSURES).fill_null(0.0)
    )


def ours(case: Case, limits: ExplainLimits | None = None) -> frozenset[Cause]:
    """The causes `explain_change` names."""
    rows = explain_change(case.leaves, case.dimensions, limits).causes.select(case.dimensions).to_dicts()
    return frozenset(
        frozenset((name, value) for name, value in row.items() if value is not None) for row in rows
    )


def adtributor(case: Case, least_power: float = 0.10, enough: float = 0.67) -> frozenset[Cause]:
    """The causes of the simplest published method (Bhagwan et al. 2014, "Adtributor"), with its defaults.

    In each dimension the elements are taken by surprise (the Jensen-Shannon divergence of their shares of
    value and exposure) until those of at least `least_power` explain `enough` of the ratio's change; the most
    surprising dimension that gets there is the answer.
    """
    best: tuple[float, frozenset[Cause]] = (0.0, frozenset())
    for name in case.dimensions:
        sums = case.leaves.group_by(name).agg(pl.col(*VALUES, *EXPOSURES).sum()).sort(name)
        value_before, value, exposure_before, exposure = (
            sums[column].to_numpy() for column in (*VALUES, *EXPOSURES)
        )
        total_before, total = value_before.sum(), exposure_before.sum()
        power = (value - value_before) * total - (exposure - exposure_before) * total_before
        power = power / (total * (total + exposure - exposure_before))
        power = power / power.sum()
        surprise = _surprise(value_before, value) + _surprise(exposure_before, exposure)
        order = [row for row in np.argsort(-surprise, kind="stable") if power[row] > least_power]
        reached = np.flatnonzero(np.cumsum(power[order]) > enough)
        if not reached.size:
            continue
        taken = order[: reached[0] + 1]
        if surprise[taken].sum() > best[0]:
            best = (
                float(surprise[taken].sum()),
                frozenset(frozenset({(name, sums[name][int(row)])}) for row in taken),
            )
    return best[1]


def _surprise(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Each element's part of the Jensen-Shannon divergence of the shares before and after."""
    p, q = before / before.sum(), after / after.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(share > 0, share * np.log(2 * share / (p + q)), 0.0) for share in (p, q)]
    return 0.5 * (parts[0] + parts[1])


def score(named: frozenset[Cause], causes: frozenset[Cause]) -> Counts:
    """Whole causes against whole causes."""
    right = len(named & causes)
    return Counts(right, len(named) - right, len(causes) - right)


def total(cases: list[Case], method: Callable[[Case], frozenset[Cause]]) -> Counts:
    """The counts of a method over all cases."""
    return sum((score(method(case), case.causes) for case in cases), Counts())


def _said(causes: frozenset[Cause]) -> str:
    return "; ".join(
        sorted(" & ".join(f"{name}={value}" for name, value in sorted(cause)) for cause in causes)
    )


def _row(name: str, counts: Counts) -> list[object]:
    return [name, counts.right, counts.wrong, counts.missed, f"{counts.f1:.2f}"]


SWEEP = {
    "least_share": (0.05, 0.15, 0.20),
    "enough": (0.65, 0.70, 0.80, 0.90),
    "most_attributes": (2, 4),
    "prior_events": (0.25, 4.0),
}
"""Other settings, one at a time: whether the figure hangs on them."""


def main(arguments: list[str] | None = None) -> None:
    """Name the causes of all cases and print the scores."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.anomalies.root_cause",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder with causes.yaml and a CSV of each case")
    parser.add_argument("--verbose", action="store_true", help="list every case")
    given = parser.parse_args(arguments)
    folder = data_folder(given.data, FOLDER)
    reason = skip_reason(folder, "causes.yaml")
    if reason:
        print(reason)
        return
    cases = list(read_cases(folder))
    counts = total(cases, ours)
    print(f"{len(cases)} cases with {counts.right + counts.missed} causes, one setting for all\n")
    head = ["", "right", "wrong", "missed", "micro F1"]
    rows = [
        _row("`explain_change`, defaults", counts),
        _row("Adtributor, defaults, here", total(cases, adtributor)),
        *([f"{name}, published, all 135 cases", "", "", "", f"{f1:.2f}"] for name, f1 in PUBLISHED.items()),
    ]
    print_table(head, rows)
    print(f"Target: at least {F1_AT_LEAST}: {'yes' if counts.f1 >= F1_AT_LEAST else 'no'}.\n")
    others = [
        _row(f"{name} = {value:g}", total(cases, lambda case, limits=limits: ours(case, limits)))
        for name, values in SWEEP.items()
        for value in values
        for limits in [replace(ExplainLimits(), **{name: value})]
    ]
    print("Other settings, one at a time:\n")
    print_table(head, others)
    if given.verbose:
        named = [(case, ours(case)) for case in cases]
        print_table(
            ["case", "causes", "named", "Adtributor"],
            [
                [
                    case.name,
                    _said(case.causes),
                    "right" if case.causes == mine else _said(mine),
                    _said(adtributor(case)),
                ]
                for case, mine in named
            ],
        )


if __name__ == "__main__":
    main()
