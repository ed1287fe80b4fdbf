"""What it changes that all dates are decided from one reading, made on the morning after the last one.

`python -m benchmarks.decisions.as_of [--seeds 3]` decides the same accounts both ways: from that reading, in
which the leads of past days have come in, and every date from what was known on its own next morning, as a
daily run has it.
"""

import argparse

import polars as pl

from benchmarks.decisions.headline import rows_of
from benchmarks.decisions.rates import CASE, issued
from benchmarks.decisions.report import print_table
from benchmarks.decisions.trial import DATES, Trial, combine, last_dates, run


def agreement(a: Trial, b: Trial) -> float:
    """Issued rows (entity, type, date) of both runs over those of either."""
    key = [*CASE, "recommendation_date"]
    one, other = (issued(trial.ours).select(key).unique() for trial in (a, b))
    either = pl.concat([one, other]).unique().height
    return one.join(other, on=key, how="semi").height / max(either, 1)


def main(arguments: list[str] | None = None) -> None:
    """Print both runs side by side."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decisions.as_of",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=3, help="accounts")
    parser.add_argument("--dates", type=int, default=DATES)
    given = parser.parse_args(arguments)
    seeds, dates = range(given.seeds), last_dates(given.dates)
    once = combine(list(run(seeds, dates)))
    daily = combine(list(run(seeds, dates, as_of=True)))
    figures = rows_of(once), rows_of(daily)
    print_table(
        [f"{given.seeds} accounts, {given.dates} dates", "one reading at the end", "each date's own morning"],
        [[name, figures[0][name], figures[1][name]] for name in figures[0]],
    )
    print(f"issued rows both runs have, of those either has: {100 * agreement(once, daily):.0f} %\n")


if __name__ == "__main__":
    main()
