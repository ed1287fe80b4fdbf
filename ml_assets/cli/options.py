"""Options that several commands share, and how their texts are read."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import typer

from ml_assets.entities import LEVELS, EntityType
from ml_assets.errors import UsageError

Account = Annotated[
    str | None,
    typer.Option("--account", help="Number, Meta id or name of the account; by default all of them."),
]
By = Annotated[
    str | None,
    typer.Option("--by", help="Who does this, for the record; by default the user of this machine."),
]
Level = Annotated[
    list[str] | None,
    typer.Option("--level", help="campaign, adset or ad; may be repeated. By default all three."),
]


def parse_date(value: str, option: str) -> dt.date:
    """A day like 2026-02-28, or `yesterday` (UTC). Raises UsageError naming the option."""
    if value.strip().casefold() == "yesterday":
        return dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    try:
        return dt.date.fromisoformat(value.strip())
    except ValueError as error:
        raise UsageError(f"{option} is a day like 2026-02-28, not {value!r}.") from error


def parse_range(start: str, end: str) -> tuple[dt.date, dt.date]:
    """First and last day of `--from` and `--to`. Raises UsageError where they are the wrong way round."""
    first, last = parse_date(start, "--from"), parse_date(end, "--to")
    if first > last:
        raise UsageError(f"--from {first} is later than --to {last}; give the earlier day first.")
    return first, last


def person(by: str | None) -> str:
    """Who a change is recorded for: `--by`, else the user of this machine."""
    if by is not None:
        return by.strip()
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "command line"


def split(values: Sequence[str] | None) -> list[str]:
    """Values given by repeating an option or separated by commas."""
    return [part.strip() for value in values or () for part in value.split(",") if part.strip()]


def parse_levels(values: Sequence[str] | None) -> tuple[EntityType, ...]:
    """The levels from the top down, all of them where none is given. Raises UsageError for another word."""
    wanted = [value.casefold().removesuffix("s") for value in split(values)]
    unknown = [value for value in wanted if value not in set(LEVELS)]
    if unknown:
        raise UsageError(f"--level is campaign, adset or ad, not {', '.join(map(repr, unknown))}.")
    return tuple(level for level in LEVELS if not wanted or level.value in wanted)
