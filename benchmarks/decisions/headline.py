"""The few figures that two runs are compared by."""

from dataclasses import dataclass

import polars as pl

from benchmarks.decisions.rates import (
    CHEAP,
    TOO_DEAR,
    Rate,
    cases,
    findings,
    first_issues,
    issued,
    rate_of,
    should_be_found,
    unblocked,
)
from benchmarks.decisions.trial import Trial


@dataclass(frozen=True)
class Headline:
    """Errors and power of one side of T: of `TOO_DEAR` types or of `CHEAP` ones."""

    wrong: Rate
    found: Rate
    """Of all entities that should be found on some date."""
    found_or_blocked: Rate
    """Of them, those for which the right type was in force, blocked or not."""


def headline(advice: pl.DataFrame, panel: pl.DataFrame, *, dear: bool) -> Headline:
    """Error and power of `advice` (DECISIONS with `account`) on one side of T."""
    types = TOO_DEAR if dear else CHEAP
    first = first_issues(advice, panel).filter(pl.col("recommendation_type").is_in(types))
    outcome = findings(should_be_found(panel, dear=dear), advice, types)["outcome"]
    return Headline(
        wrong=rate_of(first, "is_wrong"),
        found=Rate(int((outcome == "issued").sum()), outcome.len()),
        found_or_blocked=Rate(int((outcome != "undecided").sum()), outcome.len()),
    )


def flips(trial: Trial, *, in_force: bool = False) -> Rate:
    """Cases of a trial that flip; `in_force`: of what the rules alone say."""
    advice = unblocked(trial.ours) if in_force else trial.ours
    return rate_of(cases(advice, trial.panel), "is_flip")


def issued_a_day(trial: Trial) -> float:
    """Issued per account and day."""
    return issued(trial.ours).height / trial.account_days


def rows_of(trial: Trial) -> dict[str, str]:
    """Name -> figure, for a table with a column per run."""
    dear, cheap = (headline(trial.ours, trial.panel, dear=side) for side in (True, False))
    winners = first_issues(trial.ours, trial.panel).filter(pl.col("recommendation_type") == "CREATIVE_WINNER")
    return {
        "wrong PAUSE + BUDGET_DECREASE": str(dear.wrong),
        "wrong SCALE_UP + BUDGET_INCREASE": str(cheap.wrong),
        "wrong CREATIVE_WINNER": str(rate_of(winners, "is_wrong")),
        "above 2 T, found": str(dear.found),
        "above 2 T, found or blocked": str(dear.found_or_blocked),
        "below 0.7 T, found": str(cheap.found),
        "below 0.7 T, found or blocked": str(cheap.found_or_blocked),
        "flips": str(flips(trial)),
        "flips of the rules alone": str(flips(trial, in_force=True)),
        "issued a day": f"{issued_a_day(trial):.2f}",
        "seconds per account": f"{trial.seconds / trial.accounts:.1f}",
    }
