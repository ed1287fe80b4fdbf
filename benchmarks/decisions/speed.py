"""Seconds and memory of deciding one date of 100,000 entities, all levels, and where they go.

`python -m benchmarks.decisions.speed [--entities 100000] [--days 140]` makes one account of that many
entities (12 ads in 4 adsets to a campaign, rates and budgets that differ), and decides its last date in
a process of its own. Lists the call of each level, which decides the levels above inside, and the words.
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.features import FRAMES, LAST, make_inputs, peak_memory
from ml_assets.classification import CLASSIFICATIONS
from ml_assets.entities import LEVELS
from ml_assets.features import FeatureInputs
from ml_assets.frames import fill_missing
from ml_assets.recommendations.inputs import DecisionInputs
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.recommend import weekly_spend
from ml_assets.recommendations.words import describe

decide_module = importlib.import_module("ml_assets.recommendations.decide")
"""The module, whose name the package gives to the function."""

ADS_OF_ALL = 12 / 17
"""12 ads, 4 adsets and a campaign make 17 entities."""

SPREAD = 0.5
"""Deviation of the log lead rates of ads."""

STEPS = {
    "estimates": ("grid_for", "as_known_then", "estimate"),
    "evidence": ("states", "gather"),
    "rules, guards, impact": ("judge", "with_guards", "with_impact"),
    "plan": (
        "budget_room", "changes_by_type", "_standings", "_candidates", "_look", "replay_plan", "_rows",
        "finished",
    ),
}  # fmt: skip
"""What is timed inside `decide`: names in its module. Levels are gathered side by side, so that evidence and
rules, summed over the levels, can be more than the whole."""


def prepare(entities: int, days: int, folder: Path) -> None:
    """Write the inputs of one account to `folder`; budgets lie on every other campaign, else on adsets."""
    inputs = make_inputs(round(entities * ADS_OF_ALL), days, SPREAD)
    campaign = pl.col("campaign_id").str.slice(1).cast(pl.Int64)
    is_campaign, is_adset = (pl.col("entity_type") == level for level in ("campaign", "adset"))
    budgeted = inputs.entities.with_columns(
        daily_budget=pl.when(is_campaign & (campaign % 2 == 0))
        .then(150.0)
        .when(is_adset & (campaign % 2 == 1))
        .then(40.0)
    )
    for name in FRAMES:
        frame = budgeted if name == "entities" else getattr(inputs, name)
        frame.write_parquet(folder / f"{name}.parquet")


def timed(name: str, call: Callable[..., Any], spent: dict[str, float]) -> Callable[..., Any]:
    """`call`, its seconds added to `spent`."""

    @wraps(call)
    def run(*arguments: object, **named: object) -> object:
        began = time.perf_counter()
        try:
            return call(*arguments, **named)
        finally:
            spent[name] += time.perf_counter() - began

    return run


def measure(folder: Path) -> None:
    """Decide the last date from the inputs in `folder` and print what it took."""
    figures = FeatureInputs(**{name: pl.read_parquet(folder / f"{name}.parquet") for name in FRAMES})
    count = figures.entities.height
    print(
        f"{count:,} entities ({', '.join(f'{n:,} {level}s' for level, n in _sizes(figures))}), "
        f"{figures.metrics.height:,} rows of figures; {peak_memory():,.0f} MB once they are read\n"
    )
    spent: dict[str, float] = defaultdict(float)
    for step, names in STEPS.items():
        for name in names:
            setattr(decide_module, name, timed(step, getattr(decide_module, name), spent))
    steps = list(STEPS)
    print(f"| level | decide, s | {' | '.join(steps)} | words, s | rows | issued |")
    print("|" + "---|" * (5 + len(steps)))
    for level in LEVELS:
        spent.clear()
        began = time.perf_counter()
        decided = decide_module.decide(DecisionInputs(figures), level, [LAST], Policy())
        seconds = time.perf_counter() - began
        began = time.perf_counter()
        describe(
            decided,
            figures.entities,
            figures.accounts,
            _without_tiers(figures),
            weekly_spend(figures, [LAST]),
            Policy(),
            "en",
        )
        words = time.perf_counter() - began
        issued = decided.filter(pl.col("blocked_by").is_null()).height
        parts = " | ".join(f"{spent[step]:.2f}" for step in steps)
        print(f"| {level.value} | {seconds:.2f} | {parts} | {words:.2f} | {decided.height:,} | {issued} |")
    print(f"\npeak memory of the process: {peak_memory():,.0f} MB")


def _sizes(figures: FeatureInputs) -> list[tuple[str, int]]:
    counted = dict(figures.entities.group_by("entity_type").len().rows())
    return [(level.value, counted[level.value]) for level in LEVELS]


def _without_tiers(figures: FeatureInputs) -> pl.DataFrame:
    """Classifications of the date that name no tier: the words only quote them."""
    keys = figures.entities.select("config_id", "entity_type", "entity_id", "parent_id")
    return fill_missing(keys.with_columns(classification_date=pl.lit(LAST)), CLASSIFICATIONS)


def main(arguments: list[str] | None = None) -> None:
    """Prepare the account, then measure in a fresh process."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--days", type=int, default=140, help="days of figures; decisions read 140")
    parser.add_argument("--on", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.on:
        measure(given.on)
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(given.entities, given.days, Path(folder))
        command = [sys.executable, "-m", "benchmarks.decisions.speed", "--on", folder]
        subprocess.run(command, check=True)  # noqa: S603 - this module itself


if __name__ == "__main__":
    main()
