"""Why, and why not: what is stored of one entity on one day, and what every rule says of it."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ml_assets.cli.console import rich_console, say
from ml_assets.cli.recommendation_tables import SHORT, state_in_words
from ml_assets.entities import EntityType
from ml_assets.errors import NotReadyError, UsageError
from ml_assets.report import text

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

MAX_CANDIDATES = 8
"""How many entities a sentence names that a text could mean."""

MAX_NEAR = 3
"""How many a sentence names that a text may have meant."""

NOT_ASKED = {
    "not_running": "it does not run",
    "not_paused": "it is not paused",
    "no_delivery_today": "it did not deliver on this day",
}
"""Conditions of `explain` under which a rule is not asked of an entity."""

FAR = (None, "probability")
"""Conditions of `explain` that say no more than how far the probability is."""

MISSING = {
    "too_little_data": "too little data",
    "likely_well_below_target": "not likely enough to be well below the target",
    "leads_not_falling": "its leads are falling",
    "longer_record_agrees": "the longer record does not agree",
    "enough_expected_leads": "it spent too little to expect leads",
    "likely_above_target": "not sure enough to be above the target",
    "enough_leads": "too few leads",
    "margin_over_siblings": "too little ahead of its siblings",
    "paused_lately": "paused too long ago",
    "tired_or_shown_often": "neither tired nor shown too often",
    "click_rate_steady": "fewer people click, too",
    "small_share_of_spend": "it has its share of the spend already",
    "audience_used_up_or_budget_left": "its audience is not used up and its budget is spent",
    "clicked_like_parent": "it is clicked less than the campaign",
    "converts_less_than_parent": "its clicks become leads about as often as the campaign's",
    "behind_its_rival": "there is no ad beside it that likely beats it",
    "knowing_pays": "knowing which ad is better would not pay",
    "no_winner_yet": "there is a winner already",
}
"""Other conditions of `explain` that may fail -> what is missing, in words."""


def explain_entity(
    connection: "sa.Connection",
    accounts: "pl.DataFrame",
    wanted: str,
    day: dt.date | None,
    levels: Sequence[EntityType],
) -> None:
    """Print what is advised for the entity that `wanted` names, what is held back, and what is not met.

    Raises UsageError where it names none or several, NotReadyError where no day has been decided.
    """
    import polars as pl

    from ml_assets.storage.reads import read_entities
    from ml_assets.storage.recommendations import read_recommendations

    entities = read_entities(connection, levels, accounts["config_id"].to_list())
    entity = find_entity(entities, wanted)
    account = accounts.row(by_predicate=pl.col("config_id") == entity["config_id"], named=True)
    date = day or _newest_day(connection, account)
    level = EntityType(entity["entity_type"])
    stored = read_recommendations(
        connection, [account["config_id"]], date, date, [level], entity_ids=[entity["entity_id"]]
    )
    rules = _rules(connection, account["config_id"], level, entity["entity_id"], date)
    name = text.clean(entity["name"], entity["entity_id"])
    say(f"{level.value.capitalize()} {name} ({entity['entity_id']}), {date}, {_named(account)}")
    held = pl.col("blocked_by").is_not_null() & pl.col("status").is_in(["active", "expired"])
    _print_stored("Advised", stored.filter(~held), account)
    _print_stored("Considered and held back", stored.filter(held), account)
    if stored.is_empty():
        say()
        say("Nothing is advised for it on this day.")
    _print_rules(rules)


def find_entity(entities: "pl.DataFrame", wanted: str) -> dict[str, Any]:
    """The one entity (ENTITIES) with this id, else this name, else a name that has it as a part.

    Raises UsageError with what there is where that is none or several.
    """
    import polars as pl

    sought = wanted.strip()
    if not sought:
        raise UsageError("Give the id or the name of a campaign, adset or ad.")
    name = pl.col("name").str.to_lowercase()
    ways = (
        pl.col("entity_id") == sought,
        name == sought.lower(),
        name.str.contains(sought.lower(), literal=True),
    )
    for way in ways:
        found = entities.filter(way)
        if found.height == 1:
            return found.row(0, named=True)
        if found.height > 1:
            some = "; ".join(
                f"{row['entity_type']} {row['entity_id']} {text.clean(row['name'], '')}".strip()
                for row in found.head(MAX_CANDIDATES).to_dicts()
            )
            more = f" and {found.height - MAX_CANDIDATES} more" if found.height > MAX_CANDIDATES else ""
            raise UsageError(
                f"{wanted!r} may mean {found.height} entities: {some}{more}. Give the id, or narrow it down "
                "with --level or --account."
            )
    raise UsageError(
        f"There is no campaign, adset or ad whose id is, or whose name contains, {wanted!r}."
        + _nearest(entities, sought)
    )


def _nearest(entities: "pl.DataFrame", sought: str) -> str:
    """A sentence with the names, parts of which look like it, and the ids that do, if there are any."""
    from difflib import get_close_matches

    asked = sought.casefold().split()
    spelled: dict[str, str] = {}
    for name in [*entities["name"].drop_nulls().unique().sort(), *entities["entity_id"].unique().sort()]:
        shown = text.clean(name, "")
        words = shown.casefold().split()
        for first in range(max(1, len(words) - len(asked) + 1)):
            spelled.setdefault(" ".join(words[first : first + len(asked)]), shown)
    near = dict.fromkeys(spelled[part] for part in get_close_matches(" ".join(asked), spelled, MAX_NEAR))
    return f" The nearest: {', '.join(near)}." if near else ""


def _newest_day(connection: "sa.Connection", account: dict[str, Any]) -> dt.date:
    """The newest day with recommendations, else with classifications: nothing may be advised on it."""
    from ml_assets.storage.overview import read_reach
    from ml_assets.storage.tables import MLClassification, MLRecommendation

    for model in (MLRecommendation, MLClassification):
        newest = read_reach(connection, model, [account["config_id"]])["last_date"].max()
        if isinstance(newest, dt.date):
            return newest
    raise NotReadyError(
        f"No day of {_named(account)} has been decided yet: `ml-assets run` decides days, `ml-assets doctor` "
        "says what is missing."
    )


def _rules(
    connection: "sa.Connection", config_id: int, level: EntityType, entity_id: str, date: dt.date
) -> "pl.DataFrame":
    """Every rule of the level on the entity (as `explain` says), on the figures as they stand now."""
    from ml_assets.cli.past import read_past
    from ml_assets.recommendations.explain import explain
    from ml_assets.storage.policies import read_policies

    past = read_past(connection, date, date, config_id)
    inputs = replace(past.inputs(date, current_figures=True), actions=past.actions)
    policy = read_policies(connection, [config_id])[config_id]
    return explain(inputs, level, date, [entity_id], policy)


def _named(account: dict[str, Any]) -> str:
    return text.clean(account["name"], account["account_id"])


def _print_stored(title: str, rows: "pl.DataFrame", account: dict[str, Any]) -> None:
    """Each recommendation with its figures, its reasons and what became of it."""
    from rich.padding import Padding
    from rich.text import Text

    if rows.is_empty():
        return
    console = rich_console()
    console.print()
    console.print(Text(title, "bold"))
    currency = account["currency"] or ""
    for row in rows.to_dicts():
        guard = f", held back by {row['blocked_by']}" if row["blocked_by"] else ""
        worth = (
            ""
            if row["money_per_week"] is None
            else f", {currency} {text.money(row['money_per_week'])} a week"
        )
        figures = f"{text.sure(row['confidence_score'])} sure{worth}{guard}"
        console.print(Text(f"{row['id'][:SHORT]}  {row['title'] or row['recommendation_type']}"))
        lines = [f"{row['recommendation_type']}, priority {row['priority']}, {figures}"]
        lines += [row["description"] or "", f"State: {state_in_words(row, account['timezone'])}."]
        for line in filter(None, lines):
            console.print(Padding(Text(line), (0, 0, 0, 2)))


def _print_rules(rules: "pl.DataFrame") -> None:
    """Every rule that was asked: how sure it is, from where on it speaks, and what it fails at."""
    from rich.table import Table
    from rich.text import Text

    console = rich_console()
    console.print()
    if rules.is_empty():
        console.print(Text("No rule was asked: the entity has no figures on this day."))
        return
    console.print(Text("Rules", "bold"))
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for heading in ("rule", "for", "sure", "from", "verdict"):
        is_number = heading in {"sure", "from"}
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=is_number,
            ratio={"rule": 3, "for": 3, "verdict": 6}.get(heading),
        )
    in_force = set(rules.filter("is_in_force")["recommendation_type"])
    for row in rules.sort(
        "is_in_force", "is_met", "probability", descending=True, nulls_last=True
    ).to_dicts():
        table.add_row(
            str(row["rule"]).replace("_", " "),
            row["recommendation_type"],
            text.sure(row["probability"]),
            text.probability(row["enters_at"]),
            verdict(row, in_force),
        )
    console.print(table)


def verdict(row: dict[str, Any], in_force: Collection[str] = ()) -> str:
    """What a rule says of the entity, in a few words: advised, held back, not met and how far it is.

    `in_force` are the recommendation types that hold for the entity: some give way to another.
    """
    from ml_assets.recommendations.frames import PLAN_REASONS
    from ml_assets.recommendations.rules import GIVES_WAY

    if row["is_in_force"]:
        stronger = GIVES_WAY.get(row["recommendation_type"])
        if stronger in in_force:
            return f"holds, but gives way to {stronger}"
        reason = PLAN_REASONS.get(row["plan_reason"] or "", "")
        held = f"holds, but held back by {row['blocked_by']}{f': {reason}' if reason else ''}"
        return held if row["blocked_by"] else "advised"
    return "holds, but not in force yet" if row["is_met"] else _not_met(row)


def _not_met(row: dict[str, Any]) -> str:
    """Why a rule does not hold, and what it would take."""
    condition = row["condition"]
    if condition in NOT_ASKED:
        return f"not asked: {NOT_ASKED[condition]}"
    if row["probability"] is None:
        return f"cannot be told: {MISSING.get(condition, 'no figures for it')}"
    gap = row["enters_at"] - row["probability"]
    short = f"{100 * gap:.1f} points short" if gap > 0 else ""
    missing = MISSING.get(condition, str(condition).replace("_", " ")) if condition not in FAR else ""
    return f"not met: {', '.join(filter(None, [missing, short])) or 'not sure enough'}{_needed(row)}"


def _needed(row: dict[str, Any]) -> str:
    """How much more data the rule needs at the present rate, where that can be told."""
    wanted = [
        f"{text.count(row['needs_leads'])} more leads" if row["needs_leads"] else "",
        f"{text.money(row['needs_spend'])} more spend" if row["needs_spend"] else "",
    ]
    more = " or ".join(filter(None, wanted))
    return f"; decided after about {more} at the present rate" if more else ""
