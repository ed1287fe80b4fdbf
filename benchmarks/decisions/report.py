"""The figures as Markdown tables, ready for docs/decisions.md."""

from collections.abc import Callable, Iterable, Sequence

import polars as pl

from benchmarks.decisions.promises import calibration, money
from benchmarks.decisions.rates import (
    CHEAP,
    STABLE_HIGH,
    STABLE_LOW,
    TOO_DEAR,
    Rate,
    cases,
    ever_given,
    findings,
    first_issues,
    gap_reasons,
    guards,
    rate_of,
    should_be_found,
    stable,
    unblocked,
)
from benchmarks.decisions.trial import Trial
from benchmarks.decisions.volume import contradictions, per_day, quiet_days
from ml_assets.entities import LEVELS
from ml_assets.recommendations.policy import Policy

WRONG_AT_MOST = {
    TOO_DEAR: 0.05,
    ("PAUSE",): 0.05,
    ("BUDGET_DECREASE",): 0.05,
    ("SCALE_UP",): 0.05,
    ("BUDGET_INCREASE",): 0.10,
    ("CREATIVE_WINNER",): 0.02,
    ("REACTIVATE",): None,
    ("AUDIENCE_EXPANSION",): None,
    ("AUDIENCE_NARROWING",): None,
    ("AUDIENCE_REVIEW",): None,
    ("CREATIVE_REFRESH",): None,
}
"""Types that are counted together -> how many may be wrong; None: no target."""

PAUSED_AT_MOST, SCALED_AT_MOST = 0.05, 0.06
FOUND_AT_LEAST = 0.80
FLIPS_AT_MOST = 0.03
GUARDS_SHOWN = 12


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A Markdown table."""
    print(f"| {' | '.join(head)} |")
    print(f"|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    print(flush=True)


def at_most(rate: Rate, limit: float | None) -> str:
    """Whether a rate keeps under a limit: yes when its whole interval does, no when none of it does."""
    if limit is None or not rate.of:
        return ""
    low, high = rate.interval
    said = "yes" if high <= limit else "no" if low > limit else "within its interval"
    return f"<= {100 * limit:g} %: {said}"


def at_least(rate: Rate, limit: float) -> str:
    """The same for a rate that should be high."""
    if not rate.of:
        return ""
    low, high = rate.interval
    said = "yes" if low >= limit else "no" if high < limit else "within its interval"
    return f">= {100 * limit:g} %: {said}"


def print_all(trial: Trial, policy: Policy) -> None:
    """All tables of a trial."""
    print(
        f"{trial.accounts} accounts, {trial.account_days:,} account days, "
        f"{trial.seconds / trial.accounts:.1f} s per account to decide\n"
    )
    for title, show in SECTIONS.items():
        print(f"**{title}**\n")
        show(trial, policy)


def _wrong(trial: Trial, _policy: Policy) -> None:
    ours, naive = first_issues(trial.ours, trial.panel), first_issues(trial.naive, trial.panel)
    in_force = first_issues(unblocked(trial.ours), trial.panel)
    rows: list[list[object]] = []
    for types, limit in WRONG_AT_MOST.items():
        of_type = pl.col("recommendation_type").is_in(types)
        mine = ours.filter(of_type)
        for level in ("all", *(level.value for level in LEVELS)):
            at = pl.lit(value=True) if level == "all" else pl.col("entity_type") == level
            rate = rate_of(mine.filter(at), "is_wrong")
            everywhere = rate_of(in_force.filter(of_type & at), "is_wrong")
            if level != "all" and not everywhere.of:
                continue
            rows.append(
                [
                    " + ".join(types),
                    level,
                    rate,
                    at_most(rate, limit) if level == "all" else "",
                    rate_of(naive.filter(of_type & at), "is_wrong"),
                    everywhere,
                    rate_of(mine.filter(at), "is_wrong_recorded"),
                ]
            )
    print_table(
        [
            "type",
            "level",
            "wrong among issued",
            "target",
            "naive rules",
            "in force, blocked or not",
            "lost leads not counted",
        ],
        rows,
    )
    winners = pl.col("recommendation_type") == "CREATIVE_WINNER"
    for name, frame in (("ours", ours), ("naive", naive)):
        strict = frame.filter(winners).with_columns(is_beaten=~pl.col("is_cheapest_of_all"))
        print(f"CREATIVE_WINNER beaten by any sibling of the 14 days, {name}: {rate_of(strict, 'is_beaten')}")
    print()


def _stable(trial: Trial, _policy: Policy) -> None:
    bands = (
        ("0.8 T to T, ever PAUSE", STABLE_LOW, 1.0, ["PAUSE"], PAUSED_AT_MOST),
        ("T to 1.2 T, ever SCALE_UP", 1.0, STABLE_HIGH, ["SCALE_UP"], SCALED_AT_MOST),
        ("0.8 T to T, ever PAUSE or BUDGET_DECREASE", STABLE_LOW, 1.0, list(TOO_DEAR), None),
        ("T to 1.2 T, ever SCALE_UP or BUDGET_INCREASE", 1.0, STABLE_HIGH, list(CHEAP), None),
    )
    rows: list[list[object]] = []
    for name, low, high, types, limit in bands:
        entities = stable(trial.panel, low, high)
        rate = ever_given(entities, trial.ours, types)
        free = unblocked(trial.ours)
        rows.append(
            [
                name,
                rate,
                at_most(rate, limit),
                ever_given(entities, trial.naive, types),
                ever_given(entities, free, types),
            ]
        )
    print_table(
        ["true CPL on all dates", "ours", "target", "naive rules", "ours, in force, blocked or not"], rows
    )


def _power(trial: Trial, _policy: Policy) -> None:
    rows: list[list[object]] = []
    lost: list[pl.DataFrame] = []
    for dear, types in ((True, TOO_DEAR), (False, CHEAP)):
        name = "above 2 T, e >= 5" if dear else "below 0.7 T, e >= 10"
        everyone = should_be_found(trial.panel, dear=dear)
        for when, least in (("on at least one date", 0.0), ("on at least half of its dates", 0.5)):
            chosen = everyone.filter(pl.col("share") >= least)
            for level in ("all", *(level.value for level in LEVELS)):
                some = chosen if level == "all" else chosen.filter(pl.col("entity_type") == level)
                ours = findings(some, trial.ours, types)
                given = int((ours["outcome"] == "issued").sum())
                silent = int((ours["outcome"] == "undecided").sum())
                naive = int((findings(some, trial.naive, types)["outcome"] == "issued").sum())
                rate = Rate(given, given + silent)
                rows.append(
                    [
                        f"{name}, {when}",
                        level,
                        Rate(given, some.height),
                        some.height - given - silent,
                        silent,
                        rate,
                        at_least(rate, FOUND_AT_LEAST) if level == "all" else "",
                        Rate(some.height - silent, some.height),
                        Rate(naive, some.height),
                    ]
                )
                if level != "all" and not least:
                    lost.append(ours.with_columns(truth=pl.lit(name)))
    print_table(
        [
            "truth",
            "level",
            "issued",
            "blocked",
            "undecided",
            "issued of those not blocked",
            "target",
            "issued or blocked",
            "naive rules",
        ],
        rows,
    )
    print("Why an entity that should be found was not given anything:\n")
    reasons = (
        pl.concat(lost)
        .filter(pl.col("outcome") != "issued")
        .group_by("truth", "entity_type", "outcome")
        .agg(n=pl.len())
        .sort("truth", "entity_type", "n", descending=[False, False, True])
    )
    print_table(["truth", "level", "guard", "entities"], reasons.rows())


def _flips(trial: Trial, _policy: Policy) -> None:
    in_force = unblocked(trial.ours)
    frames = {
        name: cases(advice, trial.panel)
        for name, advice in (("ours", trial.ours), ("in force", in_force), ("naive", trial.naive))
    }
    types = ["all", *sorted(frames["ours"]["recommendation_type"].unique())]
    rows: list[list[object]] = []
    for name in types:
        chosen = pl.lit(value=True) if name == "all" else pl.col("recommendation_type") == name
        ours = frames["ours"].filter(chosen)
        flips = rate_of(ours, "is_flip")
        rows.append(
            [
                name,
                flips,
                at_most(flips, FLIPS_AT_MOST) if name == "all" else "",
                rate_of(frames["naive"].filter(chosen), "is_flip"),
                rate_of(frames["in force"].filter(chosen), "is_flip"),
                rate_of(ours, "is_back"),
                rate_of(ours, "is_withdrawn"),
            ]
        )
    print_table(
        [
            "type",
            "flips within 7 days",
            "target",
            "naive rules",
            "in force, blocked or not",
            "given again later",
            "withdrawn while it delivers",
        ],
        rows,
    )
    print("What a case was withdrawn by before it was given again within 7 days:\n")
    print_table(["reason", "times"], gap_reasons(trial.ours, trial.panel).rows())


def _volume(trial: Trial, _policy: Policy) -> None:
    days = trial.account_days
    ours, naive = per_day(trial.ours, days), per_day(trial.naive, days)
    both = ours.join(
        naive, on=["entity_type", "recommendation_type"], how="full", coalesce=True, suffix="_naive"
    ).fill_null(0)
    rows = both.sort("entity_type", "recommendation_type").select(
        "entity_type", "recommendation_type", pl.col("per_day").round(2), pl.col("per_day_naive").round(2)
    )
    print_table(["level", "type", "ours a day", "naive a day"], rows.rows())
    print(f"all: ours {ours['per_day'].sum():.1f} a day, naive {naive['per_day'].sum():.1f}")
    print(f"days without any: ours {quiet_days(trial.ours, days)}, naive {quiet_days(trial.naive, days)}")
    for name, count in contradictions(trial.ours, trial.panel).items():
        print(f"{name}: {count}")
    print()


def _guards(trial: Trial, _policy: Policy) -> None:
    counted = guards(trial.ours)
    by_guard = counted.group_by("guard").agg(pl.col("rows").sum()).sort("rows", descending=True)
    of_types = (
        counted.group_by("guard", "recommendation_type")
        .agg(pl.col("rows").sum())
        .sort("rows", descending=True)
        .group_by("guard", maintain_order=True)
        .agg(pl.format("{} {}", "recommendation_type", "rows").head(4).str.join(", "))
    )
    shown = by_guard.join(of_types, on="guard", how="left", maintain_order="left").head(GUARDS_SHOWN)
    rows = shown.with_columns((pl.col("rows") / trial.account_days).round(2))
    print_table(["guard", "blocked a day", "most"], rows.rows())


def _money(trial: Trial, policy: Policy) -> None:
    found = money(trial.ours, trial.panel, policy)
    rows = [
        [
            row["recommendation_type"],
            row["cases"],
            f"{row['promised']:,.0f}",
            f"{row['true']:,.0f}",
            f"{100 * row['pays']:.1f} %",
            f"{100 * row['inside_80']:.1f} %",
            row["next_cases"],
            f"{row['promised_next']:,.0f}",
            f"{row['next_7d']:,.0f}",
        ]
        for row in found.to_dicts()
    ]
    print_table(
        [
            "type",
            "cases",
            "promised a week",
            "true",
            "truly pays",
            "true inside 80 % interval",
            "cases with a week to come",
            "promised",
            "true of that week",
        ],
        rows,
    )


def _calibration(trial: Trial, policy: Policy) -> None:
    found = calibration(trial.ours, trial.panel, policy)
    rows = found.with_columns(pl.col("says", "true").round(3))
    print_table(["rule", "probability", "rows", "entities", "says", "true"], rows.rows())


SECTIONS: dict[str, Callable[[Trial, Policy], None]] = {
    "Wrong among issued": _wrong,
    "Entities that stay on one side of T": _stable,
    "Found": _power,
    "Flips": _flips,
    "How much": _volume,
    "Guards": _guards,
    "Money": _money,
    "Probabilities": _calibration,
}
