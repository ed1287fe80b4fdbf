"""The figures as Markdown tables, ready for docs/anomalies.md."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl
from scipy.stats import chi2

from benchmarks.anomalies.score import LATE_DAYS, RIGHT, issued
from benchmarks.anomalies.trial import Trial
from benchmarks.decisions.rates import Rate, rate_of
from benchmarks.decisions.report import at_least, print_table

FALSE_AT_MOST, GRAVE_FALSE_AT_MOST = 1.0, 0.2
"""False issued incidents per account and day."""

FOUND_AT_LEAST = {
    "ZERO_SPEND": 0.95,
    "SPEND_SPIKE": 0.95,
    "TRACKING_BREAK": 0.95,
    "CTR_DROP": 0.85,
    "CPM_SPIKE": 0.85,
}
ROOT_AT_LEAST = 0.90
LEVELS = ("campaign", "adset", "ad", "account")
REASONS_SHOWN = 4
SILENT = "a silent day"


@dataclass(frozen=True)
class PerDay:
    """A count over account days, with the exact 95 % interval of a Poisson mean (Garwood 1936)."""

    count: int
    days: int

    @property
    def mean(self) -> float:
        """Count / days."""
        return self.count / self.days

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of the mean."""
        low = chi2.ppf(0.025, 2 * self.count) / 2 if self.count else 0.0
        return float(low) / self.days, float(chi2.ppf(0.975, 2 * self.count + 2)) / 2 / self.days

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.count} / {self.days:,} = {self.mean:.3f} ({low:.3f}-{high:.3f})"


def at_most(figure: PerDay, limit: float) -> str:
    """Whether a mean keeps under a limit: yes when its whole interval does, no when none of it does."""
    low, high = figure.interval
    said = "yes" if high <= limit else "no" if low > limit else "within its interval"
    return f"<= {limit:g}: {said}"


def print_all(trial: Trial, *, verbose: bool = False) -> None:
    """All tables of a trial."""
    print(
        f"{trial.accounts} accounts, {trial.account_days:,} account days, "
        f"{trial.outcomes.height} injected incidents, "
        f"{trial.seconds / trial.accounts:.1f} s per account to detect, all levels and dates\n"
    )
    for title, show in (SECTIONS | VERBOSE if verbose else SECTIONS).items():
        print(f"**{title}**\n")
        show(trial)


def _mixes(trial: Trial) -> Iterator[tuple[str, pl.Expr, int]]:
    """Name, filter and account days of all accounts together and of each mix."""
    yield "all", pl.lit(value=True), trial.account_days
    for mix in trial.days["mix"].unique(maintain_order=True):
        yield mix, pl.col("mix") == mix, trial.days.filter(pl.col("mix") == mix).height


def _false(trial: Trial) -> None:
    open_days = issued(trial.incidents)
    rows: list[list[object]] = []
    for name, of_mix, days in _mixes(trial):
        raised, grave = trial.raised.filter(of_mix), trial.grave.filter(of_mix)
        false = PerDay(int(raised["is_false"].sum()), days)
        grave_false = PerDay(int(grave["is_false"].sum()), days)
        is_all = name == "all"
        is_silent = pl.col("is_false") & (pl.col("reason") == SILENT)
        others = pl.any_horizontal("by_edit", "by_pause", "by_fatigue") | (pl.col("same").list.len() > 0)
        beside = pl.col("by_incident") & ~others
        rows.append(
            [
                name,
                f"{raised.height / days:.2f}",
                false,
                at_most(false, FALSE_AT_MOST) if is_all else "",
                grave_false,
                at_most(grave_false, GRAVE_FALSE_AT_MOST) if is_all else "",
                f"{raised.filter(is_silent).height / days:.2f}",
                f"{raised.filter(beside).height / days:.2f}",
                f"{raised.filter(~pl.col('by_incident')).height / days:.2f}",
                f"{int(open_days.filter(of_mix)['is_false'].sum()) / days:.2f}",
                f"{_raised_anyhow(trial.incidents.filter(of_mix))['is_false'].sum() / days:.2f}",
            ]
        )
    print_table(
        [
            "accounts",
            "issued a day",
            "false issued an account and day",
            "target",
            "of them HIGH or CRITICAL",
            "target",
            "false: days without any delivery",
            "not false, beside a cause of another metric",
            "without any injected incident",
            "false and open",
            "false, below the fold too",
        ],
        rows,
    )


def _raised_anyhow(incidents: pl.DataFrame) -> pl.DataFrame:
    """Each incident on the first date on which there is one, issued or not."""
    return incidents.sort("evaluated_date").unique(["account", "incident_id"], keep="first")


def _naive(trial: Trial) -> None:
    rows: list[list[object]] = []
    for name, of_mix, days in _mixes(trial):
        alarms, open_days = trial.naive.filter(of_mix), issued(trial.incidents.filter(of_mix))
        rows.append(
            [
                name,
                f"{alarms.height / days:.0f}",
                f"{alarms['is_false'].sum() / days:.0f}",
                f"{open_days.height / days:.2f}",
                f"{open_days['is_false'].sum() / days:.2f}",
            ]
        )
    print_table(
        ["accounts", "naive alarms a day", "of them false", "issued and open a day", "of them false"], rows
    )


def _false_by(trial: Trial) -> None:
    key = ["kind", "entity_type"]
    issued_ones = (
        trial.raised.group_by(key)
        .agg(
            raised=pl.len(),
            false=pl.col("is_false").sum(),
            grave=(pl.col("is_false") & pl.col("severity").is_in(["HIGH", "CRITICAL"])).sum(),
        )
        .filter(pl.col("raised") > 0)
    )
    why = (
        trial.raised.filter("is_false")
        .group_by(*key, "reason")
        .len()
        .sort("len", "reason", descending=[True, False])
        .group_by(key, maintain_order=True)
        .agg(why=pl.format("{} {}", "reason", "len").head(REASONS_SHOWN).str.join(", "))
    )
    rows = (
        issued_ones.join(why, on=key, how="left")
        .with_columns(pl.col("why").fill_null(""))
        .sort("false", "raised", *key, descending=[True, True, False, False])
        .select(*key, "raised", "false", "grave", "why")
    )
    print_table(["kind", "level", "issued", "false", "HIGH or CRITICAL", "near by"], rows.rows())


def _levels(frame: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Kind, level and rows: of each kind all levels together, then each level there is."""
    for kind in RIGHT:
        of_kind = frame.filter(pl.col("kind") == kind)
        yield kind, "all", of_kind
        for level in LEVELS:
            at = of_kind.filter(pl.col("entity_type") == level)
            if at.height:
                yield kind, level, at
    yield "all", "all", frame


def _by_day(frame: pl.DataFrame, column: str, day: int) -> Rate:
    return Rate(frame.filter(pl.col(column) <= day).height, frame.height)


def _first_day(trial: Trial) -> None:
    _recall(trial, pl.col("is_decidable"), 1, with_target=True)
    print(
        "The same where spend and CPM are material by the mean spend of the week before instead of by what "
        "the day would have spent, and tracking breaks decidable by leads that come later too:\n"
    )
    _recall(trial, pl.col("is_decidable_otherwise"), 1, with_target=False)


def _rest(trial: Trial) -> None:
    _recall(trial, ~pl.col("is_decidable"), LATE_DAYS, with_target=False)


def _recall(trial: Trial, chosen: pl.Expr, day: int, *, with_target: bool) -> None:
    ours, naive = trial.outcomes.filter(chosen), trial.naive_outcomes.filter(chosen)
    rows: list[list[object]] = []
    for (kind, level, mine), (_, _, theirs) in zip(_levels(ours), _levels(naive), strict=True):
        if not mine.height:
            continue
        shown, found = _by_day(mine, "issued", day), _by_day(mine, "caught", day)
        limit = FOUND_AT_LEAST.get(kind) if with_target and level == "all" else None
        rows.append(
            [
                kind,
                level,
                shown,
                at_least(shown, limit) if limit else "",
                found,
                at_least(found, limit) if limit else "",
                _by_day(mine, "noticed", day),
                _by_day(theirs, "caught", day),
            ]
        )
    head = ["cause", "level", "issued", "target", "in force", "target", "in force, any root", "naive"]
    print_table(head, rows)


def _named(trial: Trial) -> None:
    rows: list[list[object]] = []
    for kind, level, some in _levels(trial.outcomes):
        noticed = some.filter(pl.col("noticed").is_not_null())
        if not noticed.height:
            continue
        root = rate_of(noticed, "root_is_right")
        caught = some.filter(pl.col("caught").is_not_null()).with_columns(
            same=pl.col("kind_found") == pl.col("kind")
        )
        decidable = rate_of(noticed.filter("is_decidable"), "root_is_right")
        rows.append(
            [
                kind,
                level,
                root,
                at_least(root, ROOT_AT_LEAST) if kind == "all" else "",
                decidable,
                rate_of(caught, "same"),
            ]
        )
    print_table(
        ["cause", "level", "right root", "target", "of those decidable on the first day", "right kind"], rows
    )
    wrong = (
        trial.outcomes.filter(~pl.col("root_is_right"))
        .group_by("kind", "entity_type", "named")
        .len()
        .sort("len", "kind", "entity_type", descending=[True, False, False])
    )
    if wrong.height:
        print("Wrong roots: the level that was named.\n")
        print_table(["cause", "level", "named", "times"], wrong.rows())


def _one_each(trial: Trial) -> None:
    causes = trial.outcomes.select("account", "number", "kind", "entity_type").join(
        trial.per_cause, on=["account", "number"], how="left"
    )
    rows: list[list[object]] = []
    for kind, level, some in _levels(causes):
        named = some.filter(pl.col("same") > 0).with_columns(is_one=pl.col("same") == 1)
        if not named.height:
            continue
        rows.append(
            [
                kind,
                level,
                rate_of(named, "is_one"),
                f"{named['same'].sum() / named.height:.2f}",
                f"{named['raised'].sum() / named.height:.2f}",
            ]
        )
    print_table(
        [
            "cause",
            "level",
            "one issued incident of its metric and direction",
            "of them a cause",
            "of any kind a cause",
        ],
        rows,
    )


def _not_judged(trial: Trial) -> None:
    if trial.not_judged.is_empty():
        print("Every date of every account was judged.\n")
        return
    counted = trial.not_judged.group_by("reason").len().sort("len", "reason", descending=[True, False])
    print_table(["reason", "rows"], counted.rows())


def _misses(trial: Trial) -> None:
    caught = pl.col("issued") <= pl.when("is_decidable").then(1).otherwise(LATE_DAYS)
    missed = trial.outcomes.filter(~caught.fill_null(value=False))
    rows = missed.sort(
        "is_decidable", "kind", "entity_type", "account", descending=[True, False, False, False]
    )
    print_table(
        [
            "account", "cause", "level", "entity", "onset", "decidable", "T", "leads", "clicks", "noticed",
            "caught", "issued", "what was said up to day 3",
        ],
        rows.select(
            "account",
            "kind",
            "entity_type",
            "entity_id",
            "onset",
            "is_decidable",
            pl.col("change_t", "leads_visible", "clicks").round(1),
            "noticed",
            "caught",
            "issued",
            "is_found_by",
        ).rows(),
    )  # fmt: skip


def _false_ones(trial: Trial) -> None:
    rows = trial.raised.filter("is_false").sort("kind", "entity_type", "account", "evaluated_date")
    print_table(
        [
            "account", "kind", "level", "entity", "onset", "first issued", "severity", "money", "near by",
            "attribution",
        ],
        rows.select(
            "account",
            "kind",
            "entity_type",
            "entity_id",
            "onset_date",
            "evaluated_date",
            "severity",
            pl.col("money").round(0),
            "reason",
            pl.col("attribution").str.slice(0, 160),
        ).rows(),
    )  # fmt: skip


SECTIONS: dict[str, Callable[[Trial], None]] = {
    "False incidents": _false,
    "Naive alarms": _naive,
    "False by kind": _false_by,
    "Found on the first day, of what is material and decidable on it": _first_day,
    "Found by day 3, of the rest": _rest,
    "Root and kind, of what is noticed at all": _named,
    "One incident a cause": _one_each,
    "Not judged": _not_judged,
}
VERBOSE: dict[str, Callable[[Trial], None]] = {
    "Missed: not issued on the first day where decidable, else by day 3": _misses,
    "False, one by one": _false_ones,
}
