"""The replay of past dates under one or two policies: its content, as tables and as a document for machines.

What was decided is given; nothing is decided or read here.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml_assets.recommendations.comparison import differences, issued, summarise
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.regret import judge, missed, regret, wrong_rates
from ml_assets.report import text

SIDES = ("A", "B")


@dataclass(frozen=True)
class Truth:
    """What is true of a synthetic account: `TRUE_RATES`, and T of its campaigns on each date."""

    rates: pl.DataFrame
    targets: pl.DataFrame


@dataclass(frozen=True)
class Side:
    """What one policy did: SUMMARY, and on an account with known truth WRONG_RATES and REGRET."""

    name: str
    policy: Policy
    decisions: pl.DataFrame
    summary: pl.DataFrame
    wrong: pl.DataFrame | None = None
    regret: pl.DataFrame | None = None

    @property
    def total(self) -> dict[str, Any]:
        """The summary of everything issued."""
        return self.summary.row(-1, named=True)


@dataclass(frozen=True)
class ReplayReport:
    """One account over some dates: one side, or two with where they differ (DIFFERENCES and names)."""

    account: dict[str, Any]
    dates: list[dt.date]
    left_out: list[dt.date]
    current_figures: bool
    sides: tuple[Side, ...]
    differing: pl.DataFrame | None = None

    @property
    def conclusion(self) -> str:
        """What the comparison comes to, in a sentence or two."""
        return _conclusion(self)


def make_side(
    name: str, policy: Policy, decisions: pl.DataFrame, dates: Sequence[dt.date], truth: Truth | None
) -> Side:
    """The figures of `decisions` (`DECISIONS`) over `dates`, judged where the truth is known."""
    shown = issued(decisions)
    side = Side(name, policy, decisions, summarise(shown, dates))
    if truth is None:
        return side
    judged = judge(shown, truth.rates, policy)
    silent = missed(shown, truth.rates, truth.targets, policy)
    return Side(name, policy, decisions, side.summary, wrong_rates(judged), regret(judged, silent, dates))


def differing_of(sides: Sequence[Side], entities: pl.DataFrame) -> pl.DataFrame | None:
    """DIFFERENCES of two sides with the entities' names; None for a single side."""
    if len(sides) < len(SIDES):
        return None
    names = entities.select("config_id", "entity_type", "entity_id", "name")
    return differences(sides[0].decisions, sides[1].decisions).join(
        names, on=["config_id", "entity_type", "entity_id"], how="left", maintain_order="left"
    )


# -------------------------------------------------------------------------------------- for people


def draw(report: ReplayReport, console: Console, *, top: int = 10) -> None:
    """Print the comparison on `console`, with the `top` recommendations that differ most in money."""
    account = report.account
    name = text.clean(account["name"], account["account_id"])
    console.print(Text(f"{name}: {report.dates[0]} to {report.dates[-1]}", style="bold"))
    known = (
        "as the figures stand now, restatements included"
        if report.current_figures
        else "as of what was known on the morning after each"
    )
    console.print(
        Text(
            f"{len(report.dates)} dates decided again, {known}. "
            f"Money in {account['currency'] or 'an unknown currency'}.",
            style="dim",
        )
    )
    if report.left_out:
        one = len(report.left_out) == 1
        console.print(
            Text(
                f"{len(report.left_out)} {'date is' if one else 'dates are'} left out: no figures of "
                f"{'it' if one else 'them'} were known ({_day_list(report.left_out)}).",
                style="dim",
            )
        )
    console.print()
    console.print(_summary_table(report, console))
    if report.differing is not None and report.differing.height:
        console.print()
        console.print(Text("Recommendations that differ, most money first", style="bold"))
        console.print(_difference_table(report.differing.head(top), console))
        if report.differing.height > top:
            more = report.differing.height - top
            console.print(Text(f"... and {more} more (--top; --json lists all).", style="dim"))
        console.print(
            Text(
                "Days it stood under A only, both, B only. CPL against the target T as last estimated. "
                "Elsewhere: what kept the other policy from it.",
                style="dim",
            )
        )
    console.print()
    console.print(Text(report.conclusion))


def _grid(console: Console, columns: Sequence[tuple[str, str]], wide: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", width=min(console.width, 120))
    for index, (heading, justify) in enumerate(columns):
        table.add_column(
            heading,
            justify="right" if justify == "right" else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if index == wide else None,
        )
    return table


def _summary_table(report: ReplayReport, console: Console) -> Table:
    names = [
        side.name if len(report.sides) == 1 else f"{letter}: {side.name}"
        for letter, side in zip(SIDES, report.sides, strict=False)
    ]
    table = _grid(console, [("", "left"), *((name, "right") for name in names)], wide=0)

    def row(heading: str, cells: Sequence[str]) -> None:
        table.add_row(Text(heading), *(Text(cell) for cell in cells))

    totals = [side.total for side in report.sides]
    days = len(report.dates)
    row("recommendations a day", [f"{total['recommendations'] / days:.1f}" for total in totals])
    row(
        "cases (entities)",
        [f"{text.count(total['cases'])} ({text.count(total['entities'])})" for total in totals],
    )
    for kind, level in _kinds(report.sides):
        row(f"  {kind} {level}", [_cases_of(side, kind, level) for side in report.sides])
    row(
        "flips: given again within 7 days",
        [f"{total['flips']} ({text.share(total['flip_share'], 1)} of cases)" for total in totals],
    )
    row("money promised a week", [text.money(total["money_per_week"]) for total in totals])
    if all(side.regret is not None for side in report.sides):
        _truth_rows(report.sides, row)
    return table


def _truth_rows(sides: Sequence[Side], row: Any) -> None:  # noqa: ANN401 - a function that adds a row
    rates = [side.regret.row(-1, named=True) for side in sides if side.regret is not None]
    row("by the truth, of pauses and budgets:", ["" for _ in sides])
    row("  promised a week", [text.money(rate["promised"]) for rate in rates])
    row("  earned by right advice", [text.money(rate["earned"]) for rate in rates])
    row("  lost by wrong advice", [text.money(rate["lost"]) for rate in rates])
    row(
        "  missed by silence (entities)",
        [f"{text.money(rate['missed'])} ({rate['missed_entities']})" for rate in rates],
    )
    row("  regret: lost + missed", [text.money(rate["regret"]) for rate in rates])
    kinds = sorted(
        {kind for side in sides if side.wrong is not None for kind in side.wrong["recommendation_type"]}
    )
    for kind in kinds:
        row(f"  wrong {kind}, entities", [_wrong_of(side, kind) for side in sides])


def _kinds(sides: Sequence[Side]) -> list[tuple[str, str]]:
    rows = pl.concat(side.summary.select("recommendation_type", "entity_type") for side in sides)
    return rows.drop_nulls().unique().sort("recommendation_type", "entity_type").rows()


def _cases_of(side: Side, kind: str, level: str) -> str:
    own = side.summary.filter((pl.col("recommendation_type") == kind) & (pl.col("entity_type") == level))
    return text.count(own["cases"].sum()) if own.height else text.DASH


def _wrong_of(side: Side, kind: str) -> str:
    own = None if side.wrong is None else side.wrong.filter(pl.col("recommendation_type") == kind)
    if own is None or own.is_empty():
        return text.DASH
    row = own.row(0, named=True)
    return f"{row['wrong']} of {row['entities']} ({text.share(row['wrong_share'], 1)})"


def _difference_table(rows: pl.DataFrame, console: Console) -> Table:
    columns = [
        ("recommendation", "left"), ("name", "left"), ("days A/both/B", "right"), ("sure", "right"),
        ("CPL", "right"), ("a week", "right"), ("elsewhere", "left"),
    ]  # fmt: skip
    table = _grid(console, columns, wide=1)
    for row in rows.with_columns(relative=pl.col("cpl") / pl.col("target_cpl")).to_dicts():
        cells = (
            f"{row['recommendation_type']} {row['entity_type']}",
            text.clean(row["name"], row["entity_id"]),
            f"{row['dates_a']}/{row['dates_both']}/{row['dates_b']}",
            text.share(row["probability"], 1),
            text.DASH if row["relative"] is None else f"{row['relative']:.2f} T",
            text.money(row["money_per_week"]),
            row["blocked_by"] or "no rule",
        )
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _day_list(days: Sequence[dt.date], most: int = 3) -> str:
    """The first few days in words."""
    named = ", ".join(day.isoformat() for day in days[:most])
    return f"{named}, ..." if len(days) > most else named


def _conclusion(report: ReplayReport) -> str:
    first = report.sides[0]
    total = first.total
    if report.differing is None:
        flipped = f"{total['flips']} of {total['cases']} cases flipped"
        said = (
            f"{first.name} issued {total['recommendations'] / len(report.dates):.1f} recommendations a day; "
            f"{flipped}."
        )
        return said if first.regret is None else f"{said} {_regret_in_words(first)}"
    second = report.sides[1]
    if report.differing.is_empty():
        return (
            f"{first.name} and {second.name} issue the same recommendations on all {len(report.dates)} dates."
        )
    only = [report.differing.filter(pl.col("issued_under") == letter).height for letter in SIDES]
    said = (
        f"A ({first.name}) alone gives {_advice(only[0])}, B ({second.name}) alone {_advice(only[1])}; "
        f"{report.differing.height - sum(only)} more stand on other dates. "
        f"B promises {_more(second.total['money_per_week'] - total['money_per_week'])} a week and flips "
        f"{second.total['flips']} times against {total['flips']}."
    )
    if first.regret is None or second.regret is None:
        return said
    regrets = [side.regret["regret"][-1] for side in (first, second) if side.regret is not None]
    change = regrets[1] - regrets[0]
    if abs(change) < 0.005:  # noqa: PLR2004 - half a cent
        return f"{said} Against the truth both regret the same."
    better, worse = ("B", "A") if change < 0 else ("A", "B")
    return (
        f"{said} Against the truth {better} is better: {worse} regrets {text.money(abs(change))} a week more."
    )


def _advice(number: int) -> str:
    return f"{number} recommendation{'' if number == 1 else 's'}"


def _more(money: float) -> str:
    if abs(money) < 0.005:  # noqa: PLR2004 - half a cent
        return "the same money"
    return f"{text.money(abs(money))} {'more' if money > 0 else 'less'}"


def _regret_in_words(side: Side) -> str:
    if side.regret is None:
        return ""
    row = side.regret.row(-1, named=True)
    return (
        f"By the truth it earned {text.money(row['earned'])} a week where it was right, lost "
        f"{text.money(row['lost'])} where it was wrong and left {text.money(row['missed'])} unsaid."
    )


# ------------------------------------------------------------------------------------ for machines


def as_document(report: ReplayReport) -> dict[str, Any]:
    """The report as plain values that JSON can hold; dates as texts, money a week, shares as fractions."""
    account = report.account
    return {
        "config_id": account["config_id"],
        "account_id": account["account_id"],
        "name": account["name"],
        "currency": account["currency"],
        "dates": [date.isoformat() for date in report.dates],
        "left_out": [date.isoformat() for date in report.left_out],
        "figures": "current" if report.current_figures else "as_known",
        "policies": [_side_document(letter, side) for letter, side in zip(SIDES, report.sides, strict=False)],
        "differences": None if report.differing is None else _rows(report.differing),
        "conclusion": report.conclusion,
    }


def _side_document(letter: str, side: Side) -> dict[str, Any]:
    total = {
        key: value for key, value in side.total.items() if key not in {"entity_type", "recommendation_type"}
    }
    return {
        "side": letter,
        "name": side.name,
        "version": side.policy.version,
        "total": total,
        "by_level_and_type": _rows(side.summary.head(-1)),
        "wrong": None if side.wrong is None else _rows(side.wrong),
        "regret": None if side.regret is None else _rows(side.regret),
    }


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    return frame.with_columns(pl.col(pl.Date).dt.to_string()).to_dicts()
