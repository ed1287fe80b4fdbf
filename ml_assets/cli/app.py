"""The assembled command line: which commands there are and in which order help lists them."""

from typing import Annotated

import typer

from ml_assets.cli import (
    accounts,
    db,
    demo,
    dev,
    doctor,
    forecast,
    incidents,
    ingest,
    notify,
    pacing,
    policy,
    recommendations,
    replay,
    report,
    run,
    serve,
    token,
)
from ml_assets.cli.console import group, say

app = group(
    "Turns the daily insights of Meta Ads accounts into decisions on three levels: "
    "campaign > adset > ad.\n\n"
    "Start with `ml-assets demo`, or with your own account:\n\n"
    "\b\n"
    "  ml-assets db upgrade\n"
    "  ml-assets ingest export ads-manager.csv\n"
    "  ml-assets run --from 2026-01-01 --to 2026-01-30\n"
    "  ml-assets report\n\n"
    "Settings are environment variables (ML_ASSETS_DATABASE_URL and others, see README.md). Exit codes: "
    "0 done, 1 something to do, 2 wrong call, 3 input that cannot be loaded, 4 wrong columns, "
    "5 something is missing first, 6 a run failed."
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        say(f"ml-assets {version('ml_assets')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    pass


app.command("demo", short_help="From nothing to a report: a synthetic account or your own.")(demo.demo)
app.command("run", short_help="Judge a range of days through Dagster, in this process.")(run.run)
app.command("report", short_help="Print what has been judged.")(report.report)
app.command("forecast", short_help="What comes next for an entity, and under another budget.")(
    forecast.forecast
)
app.command("pacing", short_help="The month to date, where it lands, and the budget.")(pacing.pacing)
app.command("replay", short_help="Decide past dates again, under one policy or two.")(replay.replay)
app.command("notify", short_help="The daily digest, and whether notifications arrive.")(notify.notify)
app.command("doctor", short_help="Say what is set up, what is missing and what to do.")(doctor.doctor)
app.command("dev", short_help="Start the Dagster UI, daemon and API on the same data.")(dev.dev)
app.command("serve", short_help="Serve the REST API.")(serve.serve)
app.add_typer(ingest.app, name="ingest", short_help="Load figures from a file.")
app.add_typer(accounts.app, name="accounts", short_help="List, add and change the ad accounts.")
app.add_typer(
    recommendations.app, name="recommendations", short_help="What to do: list, apply, dismiss, ask why."
)
app.add_typer(
    incidents.app, name="incidents", short_help="What is out of the ordinary: list, show, say what it was."
)
app.add_typer(policy.app, name="policy", short_help="Show and change the thresholds of the decisions.")
app.add_typer(token.app, name="token", short_help="Access tokens of the REST API: create, list, revoke.")
app.add_typer(db.app, name="db", short_help="Create, upgrade and thin the tables.")
