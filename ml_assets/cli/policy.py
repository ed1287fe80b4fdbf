"""`ml-assets policy`: the decision thresholds, shown, overridden and taken back.

What a threshold may be is decided in `ml_assets.recommendations.policy`, what is stored in
`ml_assets.storage.policies`; files are read and written in `ml_assets.cli.policy_files`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_assets.cli.console import group, rich_console, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import By, person
from ml_assets.cli.policy_files import file_kind, load_policy_file, policy_text, read_policy_file
from ml_assets.errors import UsageError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from ml_assets.recommendations.policy import Policy
    from ml_assets.storage.policies import Overrides

__all__ = ["app", "load_policy_file", "markdown_table", "parse_thresholds"]

app = group(
    "The thresholds of every decision: show them, override them for all accounts or for one, take that back."
)

Account = Annotated[
    str | None,
    typer.Option("--account", help="Number, Meta id or name of the account; without it: all accounts."),
]


# ---------------------------------------------------------------------------------------- show


@app.command("show")
def show(
    account: Account = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only thresholds that are overridden.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="The defaults as a Markdown table, without a database.")
    ] = False,
) -> None:
    """List the thresholds in force: value, default, unit, source and meaning.

    \b
    Examples:
      ml-assets policy show
      ml-assets policy show --account "Clinic" --changed
    """
    if markdown:
        say(markdown_table())
        return
    with open_database() as engine, engine.connect() as connection:
        config_id, name = _account(connection, account)
        policy, layers = _in_force(connection, config_id)
        others = [] if config_id is not None else _with_own_thresholds(connection)
    marks = {key: _mark(layer) for layer in layers for key in layer.values()}
    of_whom = "all accounts" if config_id is None else f"account {config_id} ({name})"
    say(f"Policy {policy.version} of {of_whom}, T is the target cost per lead")
    if marks or not changed:
        _print_thresholds(policy, [*marks] if changed else None, marks)
    else:
        say("No threshold is overridden: the defaults are in force.")
    for layer in layers:
        say(f"{_mark(layer)} set for {layer.owner}, version {layer.version}")
    if others:
        say(f"Accounts with thresholds of their own: {', '.join(map(str, others))} (--account shows them)")


def _mark(layer: "Overrides") -> str:
    return "*" if layer.config_id is None else "**"


def _print_thresholds(policy: "Policy", names: Sequence[str] | None, marks: Mapping[str, str]) -> None:
    from rich.table import Table

    from ml_assets.recommendations.policy import thresholds

    table = Table(box=None, pad_edge=False)
    table.add_column("threshold", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("default", justify="right", no_wrap=True)
    table.add_column("unit", max_width=15)
    table.add_column("source", no_wrap=True)
    table.add_column("meaning")
    for item in thresholds():
        if names is None or item.name in names:
            table.add_row(
                item.name,
                f"{getattr(policy, item.name):g}",
                marks.get(item.name, ""),
                f"{item.default:g}",
                item.metadata["unit"],
                item.metadata["source"].replace("_", " "),
                item.metadata["doc"],
            )
    rich_console().print(table)


def markdown_table() -> str:
    """The defaults as the table of `docs/policy.md`."""
    from ml_assets.recommendations.policy import thresholds

    lines = [
        "| threshold | default | unit | range | source | meaning |",
        "|---|---|---|---|---|---|",
        *(
            f"| {item.name} | {item.default:g} | {item.metadata['unit']} "
            f"| {item.metadata['low']:g} to {item.metadata['high']:g} "
            f"| {item.metadata['source'].replace('_', ' ')} | {item.metadata['doc']} |"
            for item in thresholds()
        ),
    ]
    return "\n".join(lines)


# ---------------------------------------------------------------------------------------- change


@app.command("set")
def set_policy(
    values: Annotated[list[str] | None, typer.Argument(metavar="[NAME=VALUE]...", help="Thresholds.")] = None,
    account: Account = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Take what differs in this policy file (JSON or TOML)."),
    ] = None,
    by: By = None,
) -> None:
    """Override thresholds for all accounts, or for one. Writes a new version; old ones are kept.

    Days already judged stay as they are until they are run again.

    \b
    Examples:
      ml-assets policy set pause=0.97 edit_hours=96
      ml-assets policy set issued_per_day=5 --account "Clinic"
      ml-assets policy set --file careful.toml
    """
    from ml_assets.storage.policies import set_thresholds

    given = parse_thresholds(values or [])
    of_file = {} if file is None else read_policy_file(file)
    if not given and not of_file:
        raise UsageError("Nothing to change: give NAME=VALUE, see `ml-assets policy set --help`.")
    with open_database() as engine, engine.begin() as connection:
        config_id, name = _account(connection, account)
        if of_file:
            before, _ = _in_force(connection, config_id)
            differing = {key: value for key, value in of_file.items() if getattr(before, key) != value}
            given = {**differing, **given}
        if not given:
            say(f"{_owner(config_id, name)}: every threshold of {file} is in force already.")
            return
        policy = set_thresholds(connection, config_id, given, person(by))
    changes = ", ".join(f"{key} = {getattr(policy, key):g}" for key in given)
    say(f"{_owner(config_id, name)}: {changes}. In force: policy {policy.version}.")


@app.command("reset")
def reset(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Thresholds; by default all.")
    ] = None,
    account: Account = None,
    by: By = None,
) -> None:
    """Take overrides back: those of all accounts, or those of one.

    \b
    Examples:
      ml-assets policy reset pause edit_hours
      ml-assets policy reset --account "Clinic"
    """
    from ml_assets.storage.policies import reset_thresholds

    with open_database() as engine, engine.begin() as connection:
        config_id, name = _account(connection, account)
        policy = reset_thresholds(connection, config_id, names or None, person(by))
    what = ", ".join(names) if names else "everything"
    say(f"{_owner(config_id, name)}: {what} taken back. In force: policy {policy.version}.")


@app.command("history")
def history(account: Account = None) -> None:
    """List every version: when, by whom, and what changed against the one before.

    Without --account, of all accounts and of each one.
    """
    from rich.table import Table

    from ml_assets.storage.policies import policy_history

    with open_database() as engine, engine.connect() as connection:
        config_id, _ = _account(connection, account)
        versions = policy_history(connection, None if config_id is None else [config_id]).to_dicts()
    if not versions:
        say("No threshold was ever overridden: the defaults are in force.")
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("of", "version", "at (UTC)", "by", "in force", "changes"):
        table.add_column(heading, overflow="fold")
    before: dict[int | None, Mapping[str, Any]] = {}
    for row in versions:
        owner = row["config_id"]
        values = _values(row["thresholds"])
        table.add_row(
            "all" if owner is None else str(owner),
            row["version"],
            "" if row["created_at"] is None else f"{row['created_at']:%Y-%m-%d %H:%M}",
            row["created_by"] or "",
            "yes" if row["is_active"] else "",
            "cannot be read" if values is None else _difference(before.get(owner, {}), values),
        )
        before[owner] = values or {}
    rich_console().print(table)


def _values(text: str | None) -> Mapping[str, Any] | None:
    """The stored thresholds, also wrong ones: a history shows what was."""
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return None
    return {} if values is None else values if isinstance(values, dict) else None


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    changes = [
        f"{name} {_text(before, name)} -> {_text(after, name)}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]
    return ", ".join(changes) or "nothing"


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name, "not set")
    return f"{value:g}" if isinstance(value, int | float) else str(value)


# ---------------------------------------------------------------------------------------- files


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write: .toml or .json.")],
    account: Account = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only thresholds that are overridden.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> None:
    """Write the thresholds in force to a file, to be edited, compared and set again.

    \b
    Examples:
      ml-assets policy export policy.toml
      ml-assets policy export clinic.json --account "Clinic" --changed
    """
    kind = file_kind(file)
    if file.exists() and not force:
        raise UsageError(f"{file} is there already; give another name, or --force to replace it.")
    with open_database() as engine, engine.connect() as connection:
        config_id, _ = _account(connection, account)
        policy, layers = _in_force(connection, config_id)
    names = {name for layer in layers for name in layer.values()} if changed else None
    file.write_text(policy_text(policy, kind, names), encoding="utf-8")
    say(f"Policy {policy.version} written to {file}.")


# ---------------------------------------------------------------------------------------- shared


def parse_thresholds(texts: Sequence[str]) -> dict[str, float]:
    """Names and numbers of NAME=VALUE. Raises UsageError for another form and for a name given twice."""
    parsed: dict[str, float] = {}
    for text in texts:
        name, equals, number = (part.strip() for part in text.partition("="))
        if not equals or not name:
            raise UsageError(f"{text!r} is not NAME=VALUE; write it like pause=0.97.")
        if name in parsed:
            raise UsageError(f"{name} is given twice; keep one of them.")
        try:
            parsed[name] = float(number)
        except ValueError as error:
            raise UsageError(f"{text}: {number!r} is not a number; write it like 0.97.") from error
    return parsed


def _account(connection: "sa.Connection", wanted: str | None) -> tuple[int | None, str]:
    """config_id and name of the account that `wanted` names; None for all accounts."""
    from ml_assets.cli.accounts import accounts_frame, choose

    if wanted is None:
        return None, ""
    chosen = choose(accounts_frame(connection), wanted)
    return int(chosen.item(0, "config_id")), str(chosen.item(0, "name"))


def _owner(config_id: int | None, name: str) -> str:
    return "All accounts" if config_id is None else f"Account {config_id} ({name})"


def _in_force(connection: "sa.Connection", config_id: int | None) -> tuple["Policy", list["Overrides"]]:
    """The policy of an account (None: of all accounts) and the stored versions that it is made of."""
    from ml_assets.recommendations.policy import Policy
    from ml_assets.storage.policies import read_overrides

    stored = read_overrides(connection, [] if config_id is None else [config_id])
    layers = [stored[owner] for owner in dict.fromkeys([None, config_id]) if owner in stored]
    policy = Policy()
    for layer in layers:
        policy = layer.over(policy)
    return policy, [layer for layer in layers if layer.values()]


def _with_own_thresholds(connection: "sa.Connection") -> list[int]:
    from ml_assets.storage.policies import read_overrides

    stored = read_overrides(connection)
    return sorted(
        config_id
        for config_id, own in stored.items()
        if config_id is not None and own.text not in {None, "{}", "null"}
    )
