"""`ml-assets forecast`: what comes in the next days of one entity, and what another budget would bring.

Nothing has to be forecast before and nothing is stored. How it is drawn is in `ml_assets.report.outlook`.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_assets.cli.console import note, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import Account, Level, parse_date, parse_levels, split
from ml_assets.entities import EntityType
from ml_assets.errors import NotReadyError, UsageError

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

    from ml_assets.forecasts.candidates import ForecastPolicy
    from ml_assets.forecasts.forecast import TreeForecast
    from ml_assets.forecasts.inputs import ForecastInputs
    from ml_assets.forecasts.planned import PlannedBudget
    from ml_assets.recommendations.policy import Policy
    from ml_assets.report.outlook import Outlook

MOST_DAYS = 90

SHOWN = ("spend", "leads", "cpl")

WHOLE_ACCOUNT = "account"
"""The word that names the account itself."""


def forecast(
    entity: Annotated[
        str,
        typer.Argument(
            metavar="ENTITY",
            help="Id or name of a campaign, adset or ad, or part of a name; id or name of an account, or "
            "`account` for the only one.",
        ),
    ],
    days: Annotated[int, typer.Option(help=f"How many days ahead, 1 to {MOST_DAYS}.")] = 30,
    budget: Annotated[
        float | None,
        typer.Option(help="Also what this daily budget, in the account's currency, would bring."),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(help="Last day that is known, like 2026-02-28; by default the newest one that is over."),
    ] = None,
    account: Account = None,
    level: Level = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC",
            help="spend, impressions, clicks, leads, cpl, ctr, cpc, cpm; by default spend, leads and cpl.",
        ),
    ] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(metavar="METHOD", help="Methods to choose from in place of the default ones."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with everything in it.")] = False,
) -> None:
    """Forecast the next days of one entity, with 80 % and 95 % intervals. Nothing is stored.

    More than two weeks are shown week by week; --json has every day.

    \b
    Examples:
      ml-assets forecast "Leads (cold)"
      ml-assets forecast 120000000000000021 --days 7 --metric impressions,clicks,cpm
      ml-assets forecast "Leads (cold)" --days 30 --budget 500
      ml-assets forecast account --account "Clinic" --days 90 --json
    """
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(f"--days is 1 to {MOST_DAYS}, not {days}.")
    if budget is not None and not budget > 0:
        raise UsageError(f"--budget is an amount above 0, not {budget:g}.")
    shown = _metrics(metric)
    policy = _policy(methods)
    day = parse_date(date, "--date") if date else None
    levels = parse_levels(level)
    from ml_assets.report.current import chosen_day, read_forecast_inputs
    from ml_assets.storage.policies import read_policies

    with open_database() as engine, engine.connect() as connection:
        accounts = read_chosen_accounts(connection, account)
        found = _find(connection, accounts, entity, levels)
        own = accounts.filter(accounts["config_id"] == found["config_id"])
        last = chosen_day(connection, own.row(0, named=True), day)
        inputs = read_forecast_inputs(connection, own, last)
        thresholds = read_policies(connection, [found["config_id"]])[found["config_id"]]
    from ml_assets.forecasts.forecast import forecast_tree
    from ml_assets.report.outlook import as_document, draw, outlook_of

    made = forecast_tree(inputs, last, days, policy)
    outlook = outlook_of(made, own.row(0, named=True), found)
    planned = None if budget is None else _plan(made, inputs, outlook, budget, thresholds)
    if as_json:
        say(json.dumps(as_document(outlook, planned, shown), ensure_ascii=False, indent=2))
        return
    draw(outlook, planned, shown, rich_console())


def read_chosen_accounts(connection: "sa.Connection", wanted: str | None) -> "pl.DataFrame":
    """The accounts that `--account` names, else all active ones. NotReadyError where there is none."""
    from ml_assets.cli.accounts import accounts_frame, choose

    accounts = accounts_frame(connection, active_only=wanted is None)
    if accounts.is_empty():
        raise NotReadyError(
            "There is no account yet: `ml-assets ingest export FILE` or `ml-assets demo` makes one."
        )
    return choose(accounts, wanted)


def _metrics(values: Sequence[str] | None) -> tuple[str, ...]:
    """Metrics in the order in which they are asked for. Raises UsageError for another word."""
    from ml_assets.forecasts.frames import TARGET_METRICS

    wanted = [value.casefold() for value in split(values)]
    unknown = [value for value in wanted if value not in TARGET_METRICS]
    if unknown:
        raise UsageError(f"--metric is one of {', '.join(TARGET_METRICS)}, not {', '.join(unknown)}.")
    return tuple(dict.fromkeys(wanted)) or SHOWN


def _policy(values: Sequence[str] | None) -> "ForecastPolicy":
    """The policy with the methods asked for. Raises UsageError for one that there is not."""
    from ml_assets.forecasts.candidates import METHODS, ForecastPolicy

    wanted = [value.casefold() for value in split(values)]
    unknown = [value for value in wanted if value not in METHODS]
    if unknown:
        raise UsageError(f"--methods is one of {', '.join(METHODS)}, not {', '.join(unknown)}.")
    return ForecastPolicy(methods=tuple(dict.fromkeys(wanted))) if wanted else ForecastPolicy()


def _find(
    connection: "sa.Connection", accounts: "pl.DataFrame", wanted: str, levels: Sequence[EntityType]
) -> dict[str, Any]:
    """config_id, entity_type, entity_id and name of what is meant.

    Raises UsageError where that is none or several.
    """
    import polars as pl

    from ml_assets.cli.why import find_entity
    from ml_assets.storage.reads import read_entities

    sought = wanted.strip().casefold()
    same_id = pl.col("account_id").str.to_lowercase().str.strip_prefix("act_") == sought.removeprefix("act_")
    named = accounts.filter(
        pl.lit(sought == WHOLE_ACCOUNT) | same_id | (pl.col("name").str.to_lowercase() == sought)
    )
    if named.height == 1:
        return named.select(
            "config_id", "name", entity_type=pl.lit(WHOLE_ACCOUNT), entity_id="account_id"
        ).row(0, named=True)
    if named.height > 1:
        raise UsageError(f"{wanted!r} may mean {named.height} accounts; choose one with --account.")
    return find_entity(read_entities(connection, levels, accounts["config_id"].to_list()), wanted)


def _plan(
    made: "TreeForecast", inputs: "ForecastInputs", outlook: "Outlook", budget: float, thresholds: "Policy"
) -> "PlannedBudget | None":
    """What the budget brings; None, with a line of why, where nothing can be said of it."""
    from ml_assets.forecasts.budget_use import budget_use
    from ml_assets.forecasts.planned import plan_budget

    if outlook.row is None or outlook.is_insufficient:
        return None  # that the data are insufficient is said of the whole forecast
    use = budget_use(made, inputs)
    try:
        return plan_budget(
            made,
            outlook.row,
            budget,
            share_spent=float(use.share_spent[outlook.row]),
            recent_spend=float(use.recent_spend[outlook.row]),
            elasticity=thresholds.elasticity,
            elasticity_sd=thresholds.elasticity_sd,
        )
    except NotReadyError as error:
        note(str(error))
        return None
