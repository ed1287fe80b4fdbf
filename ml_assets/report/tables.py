"""The report as tables of at most 100 columns, for a terminal or a pipe.

Cells are `Text`, never markup: names of campaigns are full of brackets.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml_assets.entities import EntityType
from ml_assets.report import text
from ml_assets.report.content import RESIDUAL_DAYS, AccountReport
from ml_assets.report.forecasts import draw_forecasts
from ml_assets.report.incidents import draw_open_incidents

TIER_STYLES = {
    "HIGH_PERFORMER": "green",
    "MODERATE": "cyan",
    "LOW": "yellow",
    "UNDERPERFORMER": "red",
    "INSUFFICIENT_DATA": "dim",
}
"""From the best tier down; also the order of the table of tiers."""

NAME_COLUMNS = frozenset({"name", "shares its audience with"})
"""Columns that give way where a line gets too long."""

WRAPPED_COLUMNS = frozenset({"what to do"})
"""Columns whose cells take several lines: sentences."""

GUARDS_NAMED = 3
"""How many guards the line under the plan names before it only counts."""

RESIDUAL_WORTH_SAYING = 0.01
"""Share of a level's spend that its children leave unexplained, from which the report says so."""

PLURALS = {EntityType.CAMPAIGN: "campaigns", EntityType.ADSET: "adsets", EntityType.AD: "ads"}


def draw(report: AccountReport, console: Console, *, top: int = 5) -> None:
    """Print the report on `console`; `top` rows per level and list."""
    _heading(report, console)
    draw_plan(report, console)
    draw_open_incidents(report.incidents, console, top=top)
    draw_forecasts(report.forecasts, console, top=top)
    _tiers(report, console)
    few = max(1, top) if len(report.levels) == 1 else max(1, top // 2 + 1)
    _judged(report, console, "HIGH_PERFORMER", "Surest high performers: true CPL at most 0.7 x target", few)
    _judged(report, console, "UNDERPERFORMER", "Surest underperformers: true CPL above 1.5 x target", few)
    _fatigue(report, console, top)
    _overlap(report, console, top)
    _undecided(report, console, few)
    _notes(report, console)


def _heading(report: AccountReport, console: Console) -> None:
    account = report.account
    targets = report.judged.select("target_cpl", "target_source").drop_nulls().unique()
    if targets.height == 1:
        amount, source = targets.row(0)
        source_words = {"own_cpl": "the account's own CPL of 28 days", "account": "set for the account"}
        target = f"{text.money(amount)} ({source_words.get(source, source)})"
    elif targets.height:
        ordered = targets["target_cpl"].sort()
        target = f"{text.money(ordered[0])} to {text.money(ordered[-1])}"
    else:
        target = "none: no target is set and there are no leads to take one from"
    name = text.clean(account["name"], account["account_id"])
    console.print(Text(f"{name}: {report.date:%A, %Y-%m-%d}", style="bold"))
    console.print(
        Text(
            f"Money in {account['currency'] or 'an unknown currency'}, days in "
            f"{account['timezone'] or 'UTC (assumed)'}, figures as read until {text.moment(report.as_of)}.\n"
            f"Target cost per lead (T): {target}.",
            style="dim",
        )
    )


def _table(console: Console, columns: Sequence[tuple[str, str]]) -> Table:
    """A table of (heading, justification): names take what room the figures leave.

    Lines are drawn only where a terminal shows them.
    """
    flexible = NAME_COLUMNS | WRAPPED_COLUMNS
    names = [heading for heading, _ in columns if heading in flexible]
    table = Table(
        box=box.SIMPLE_HEAD if console.is_terminal and not console.legacy_windows else None,
        pad_edge=False,
        show_edge=False,
        header_style="dim",
        width=min(console.width, text.MAX_WIDTH) if names else None,
    )
    for heading, justify in columns:
        table.add_column(
            heading,
            justify="right" if justify == "right" else "left",
            no_wrap=heading not in WRAPPED_COLUMNS,
            overflow="fold" if heading in WRAPPED_COLUMNS else "ellipsis",
            ratio=1 if heading in flexible else None,
        )
    return table


def _print(console: Console, title: str, table: Table | None) -> None:
    console.print()
    console.print(Text(title, style="bold"))
    if table is not None:
        console.print(table)


def draw_plan(report: AccountReport, console: Console) -> None:
    """Print what to do, first things first, and what is held back."""
    plan = report.plan
    issued = plan.issued
    if issued.is_empty():
        _print(console, "What to do: nothing on this day", None)
        console.print(Text(" ".join(_nothing_issued(report)), style="dim"))
        return
    table = _table(
        console, [("#", "right"), ("what to do", "left"), ("sure", "right"), ("worth a week", "right")]
    )
    for number, row in enumerate(issued.to_dicts(), start=1):
        table.add_row(
            str(number),
            Text(text.clean(row["title"], f"{row['recommendation_type']} {row['entity_id']}")),
            text.sure(row["confidence_score"]),
            text.money(row["money_per_week"]),
        )
    _print(console, "What to do, first things first", table)
    together = "Together worth" if issued.height > 1 else "Worth"
    worth, waiting = text.money(plan.money_per_week), text.money(plan.cost_of_waiting)
    cost = (
        "as much as each week of waiting costs" if worth == waiting else f"a week of waiting costs {waiting}"
    )
    lines = [f"{together} about {worth} a week, {cost}."]
    console.print(Text(" ".join([*lines, *_held_back(report)]), style="dim"))


def _nothing_issued(report: AccountReport) -> Iterator[str]:
    """Why there is nothing to do, calmly."""
    if not report.plan.rows.is_empty():
        yield "What is sure enough to act on is done already or has to wait."
        yield from _held_back(report)
    elif report.plan.is_within_reach:
        yield "Nothing is sure enough to act on."
    else:
        yield "Nothing is recommended. If the day was never looked at for it:"
        yield f"`ml-assets run --from {report.date} --to {report.date}`."
    nearest = report.nearest_to_a_tier()
    if nearest is not None:
        name = text.clean(nearest["name"], nearest["entity_id"])
        wanted = text.needs(json.loads(nearest["needs"]))
        yield f"Nearest to a tier: the {nearest['entity_type']} {name}, after {wanted}."


def _held_back(report: AccountReport) -> Iterator[str]:
    """What else there is on the date beside what is issued, in sentences."""
    plan = report.plan
    done = [f"{plan.acted_upon(status)} {status}" for status in ("applied", "dismissed")]
    done = [words for words in done if not words.startswith("0 ")]
    if done:
        yield f"Already {' and '.join(done)}."
    if plan.over:
        everything = plan.over == plan.issued.height
        many = "They have" if everything else f"{plan.over} of them {'has' if plan.over == 1 else 'have'}"
        yield f"{'It has' if everything and plan.over == 1 else many} expired since."
    if plan.below_the_fold:
        more = plan.below_the_fold
        yield f"{more} more {'is' if more == 1 else 'are'} below the fold."
    blocked = plan.blocked
    if blocked:
        named = [f"{guard.replace('_', ' ')} {count}" for guard, count in blocked[:GUARDS_NAMED]]
        others = sum(count for _, count in blocked[GUARDS_NAMED:])
        named += [f"others {others}"] if others else []
        total = sum(count for _, count in blocked)
        yield f"{total} {'is' if total == 1 else 'are'} blocked by a guard ({', '.join(named)})."


def _tiers(report: AccountReport, console: Console) -> None:
    counted = report.tiers()
    columns = [("tier", "left"), *((PLURALS[level], "right") for level in report.levels)]
    columns.append(("spend of " + PLURALS[report.levels[-1]], "right"))
    table = _table(console, columns)
    for tier in (*TIER_STYLES, None):
        of_tier = counted.filter(pl.col("tier").eq_missing(pl.lit(tier, dtype=pl.String)))
        if of_tier.is_empty() and tier is None:
            continue
        word = "leads are not the goal" if tier is None else text.tier(tier)
        table.add_row(
            Text(word, style=TIER_STYLES.get(tier or "", "dim")),
            *(
                text.count(of_tier.filter(pl.col("entity_type") == level.value)["entities"].sum())
                for level in report.levels
            ),
            text.money(of_tier.filter(pl.col("entity_type") == report.levels[-1].value)["spend_14d"].sum()),
        )
    _print(console, "Tiers (spend of 14 days)", table)
    moves = counted.select(pl.col("up").sum(), pl.col("down").sum()).row(0)
    changed = f"{moves[0]} moved up and {moves[1]} down" if any(moves) else "No tier changed"
    console.print(Text(f"{changed} on this day.", style="dim"))


def _judged(report: AccountReport, console: Console, tier: str, title: str, top: int) -> None:
    rows = report.surest(tier, top)
    if rows.is_empty():
        _print(console, f"{title}: none", None)
        return
    has_own_targets = rows.get_column("target_cpl").n_unique() > 1
    table = _table(
        console,
        [
            ("name", "left"),
            ("CPL [80 %]", "right"),
            *([("T", "right")] if has_own_targets else []),
            ("sure", "right"),
            ("leads", "right"),
            ("spend", "right"),
            ("before", "left"),
        ],
    )
    for row in _with_level_rows(table, rows):
        table.add_row(
            _name(row),
            text.interval(row["cpl_shrunk"], row["cpl_shrunk_lo_80"], row["cpl_shrunk_hi_80"]),
            *([text.money(row["target_cpl"])] if has_own_targets else []),
            Text(text.share(row["confidence_score"]), style=TIER_STYLES[tier]),
            text.count(row["leads_14d"]),
            text.money(row["spend_14d"]),
            text.before(row["previous_tier"], row["tier_change_direction"], row["days_in_tier"]),
        )
    _print(console, f"{title} (leads, spend of 14 days)", table)


def _with_level_rows(table: Table, rows: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows one by one, with a line that names the level before the first of each."""
    for part in rows.partition_by("entity_type", maintain_order=True):
        level = EntityType(part.item(0, "entity_type"))
        table.add_row(Text(PLURALS[level], style="dim italic"))
        yield from part.to_dicts()


def _name(row: dict[str, Any]) -> Text:
    name = Text(text.clean(row["name"], row["entity_id"]))
    if row["parent_name"]:
        name.append(f" in {text.clean(row['parent_name'], '')}", style="dim")
    return name


def _fatigue(report: AccountReport, console: Console, top: int) -> None:
    if EntityType.AD not in report.levels:
        return
    rows = report.fatigued(top)
    if rows.is_empty():
        return
    table = _table(
        console,
        [
            ("name", "left"),
            ("verdict", "left"),
            ("sure", "right"),
            ("CTR", "right"),
            ("days left [80 %]", "right"),
            ("frequency", "right"),
            ("spend", "right"),
        ],
    )
    for row in rows.to_dicts():
        frequency = row["frequency_7d"]
        table.add_row(
            _name(row),
            str(row["fatigue_verdict"]).lower().replace("_", " "),
            text.share(row["creative_fatigue_score"] / 100),
            text.share(row["ctr_7d"], 2),
            text.days(row["days_to_fatigue"], row["days_to_fatigue_lo_80"], row["days_to_fatigue_hi_80"]),
            text.DASH if frequency is None else f"{frequency:.1f}",
            text.money(row["spend_7d"]),
        )
    _print(console, "Creatives that tire: CTR below 0.8 of its best (figures of 7 days)", table)


def _overlap(report: AccountReport, console: Console, top: int) -> None:
    if EntityType.ADSET not in report.levels:
        return
    rows = report.overlapping(top)
    if rows.is_empty():
        return
    table = _table(
        console,
        [
            ("name", "left"),
            ("shares its audience with", "left"),
            ("overlap", "right"),
            ("spend of both", "right"),
        ],
    )
    for row in rows.to_dicts():
        table.add_row(
            _name(row),
            text.clean(row["overlap_name"], row["overlap_with"] or text.DASH),
            text.share(row["audience_overlap_score"]),
            text.money((row["spend_14d"] or 0.0) + (row["overlap_spend_14d"] or 0.0)),
        )
    _print(console, "Adsets that bid for the same people (declared targeting, spend of 14 days)", table)


def _undecided(report: AccountReport, console: Console, top: int) -> None:
    rows = report.undecided(top)
    if rows.is_empty():
        return
    table = _table(console, [("name", "left"), ("leads", "right"), ("spend", "right"), ("needs", "left")])
    for row in _with_level_rows(table, rows):
        wanted = json.loads(row["needs"]) if row["needs"] else None
        table.add_row(
            _name(row),
            text.count(row["leads_14d"]),
            text.money(row["spend_14d"]),
            text.needs(wanted) if wanted else text.clean(row["reason"], text.DASH),
        )
    _print(console, "Not enough data for a tier yet (leads, spend of 14 days)", table)


def _notes(report: AccountReport, console: Console) -> None:
    notes = [
        f"No {level.value} has been judged on this date: `ml-assets run --from {report.date} "
        f"--to {report.date} --level {level.value}`."
        for level in report.missing_levels()
    ]
    for level, spend, residual in report.residuals.rows():
        child = EntityType(level).child
        if child is not None and spend and abs(residual) / spend >= RESIDUAL_WORTH_SAYING:
            notes.append(
                f"{text.share(abs(residual) / spend, 1)} of the spend of {PLURALS[EntityType(level)]} in "
                f"{RESIDUAL_DAYS} days ({text.money(abs(residual))}) is "
                f"{'not in' if residual > 0 else 'more in'} their {PLURALS[child]} as delivered; "
                "each level is judged on its own figures."
            )
    delivered = report.judged.filter(pl.col("spend_7d") > 0)
    for column, words in (
        ("clicks_7d", "clicks"),
        ("leads_7d", "leads"),
        ("frequency_7d", "7-day frequency"),
    ):
        if delivered.height and delivered.get_column(column).null_count() == delivered.height:
            notes.append(f"The source has no {words}; what needs them stays empty.")
    if report.rejected_rows:
        notes.append(
            f"{text.count(report.rejected_rows)} rows of the source were set aside as impossible; "
            "`ml-assets doctor` lists the reasons."
        )
    if not notes:
        return
    console.print()
    for note in notes:
        console.print(Text(f"Note: {note}"))
