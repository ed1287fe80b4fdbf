"""What it changes that all dates are judged from one reading, made on the morning after the last one.

`python -m benchmarks.anomalies.as_of [--seeds 3]` judges the same accounts both ways: from that reading, in
which late leads have come in and refunds are booked, and every date from what was known on its own next
morning, as a daily run has it.
"""

import argparse

import polars as pl

from benchmarks.anomalies.report import PerDay
from benchmarks.anomalies.score import LATE_DAYS, issued
from benchmarks.anomalies.trial import DATES, Trial, combine, last_dates, run
from benchmarks.decisions.rates import Rate, rate_of
from benchmarks.decisions.report import print_table

SAME = ("account", "entity_type", "entity_id", "kind", "evaluated_date")


def agreement(a: pl.DataFrame, b: pl.DataFrame) -> float:
    """Incidents (root, kind and date) of both frames over those of either."""
    one, other = (frame.filter(pl.col("status") == "open").select(SAME).unique() for frame in (a, b))
    either = pl.concat([one, other]).unique().height
    return one.join(other, on=SAME, how="semi").height / max(either, 1)


def rows_of(trial: Trial) -> dict[str, str]:
    """Name -> figure, for a table with a column per run."""
    days, raised, outcomes = trial.account_days, trial.raised, trial.outcomes
    first = outcomes.filter("is_decidable")
    rest = outcomes.filter(~pl.col("is_decidable"))
    return {
        "false issued an account and day": str(PerDay(int(raised["is_false"].sum()), days)),
        "of them HIGH or CRITICAL": str(PerDay(int(trial.grave["is_false"].sum()), days)),
        "decidable, issued on the first day": str(
            Rate(first.filter(pl.col("issued") == 1).height, first.height)
        ),
        "decidable, in force on the first day": str(
            Rate(first.filter(pl.col("caught") == 1).height, first.height)
        ),
        "the rest, in force by day 3": str(
            Rate(rest.filter(pl.col("caught") <= LATE_DAYS).height, rest.height)
        ),
        "right root": str(rate_of(outcomes, "root_is_right")),
        "issued and open a day": f"{issued(trial.incidents).height / days:.2f}",
        "seconds per account": f"{trial.seconds / trial.accounts:.1f}",
    }


def main(arguments: list[str] | None = None) -> None:
    """Print both runs side by side."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.anomalies.as_of",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=3, help="accounts")
    parser.add_argument("--first", type=int, default=1, help="seed of the first account")
    parser.add_argument("--dates", type=int, default=DATES)
    given = parser.parse_args(arguments)
    seeds, dates = range(given.first, given.first + given.seeds), last_dates(given.dates)
    once = combine(list(run(seeds, dates)))
    daily = combine(list(run(seeds, dates, as_of=True)))
    figures = rows_of(once), rows_of(daily)
    print_table(
        [f"{given.seeds} accounts, {given.dates} dates", "one reading at the end", "each date's own morning"],
        [[name, figures[0][name], figures[1][name]] for name in figures[0]],
    )
    above_fold = agreement(issued(once.incidents), issued(daily.incidents))
    print(
        "open incidents (root, kind, date) both runs have, of those either has: "
        f"{100 * agreement(once.incidents, daily.incidents):.0f} %, "
        f"of the issued ones {100 * above_fold:.0f} %\n"
    )


if __name__ == "__main__":
    main()
