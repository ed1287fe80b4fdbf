"""The accounts and their settings: added, found and changed, with every value checked."""

import math
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from ml_assets.errors import UsageError
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import AdsAccount

CURRENCY_LETTERS = 3

_TABLE = table_of(AdsAccount)
_SETTINGS = frozenset(column.name for column in _TABLE.c) - {"config_id", "account_id", "created_at"}


def find_account(connection: sa.Connection, account_id: str) -> int | None:
    """The config_id of a Meta account id, with or without Meta's prefix `act_`; None if it is unknown."""
    bare = account_id.removeprefix("act_")
    query = sa.select(_TABLE.c.config_id).where(_TABLE.c.account_id.in_([account_id, bare, f"act_{bare}"]))
    return connection.execute(query.order_by(_TABLE.c.config_id).limit(1)).scalar_one_or_none()


def add_account(connection: sa.Connection, info: AccountInfo, source: Mapping[str, Any] | None = None) -> int:
    """Add an account and return its config_id.

    `source` says where its insights come from; None: its tables are filled from outside. Raises
    UsageError for an account that is there already, and for settings that cannot be right.
    """
    if not info.account_id.strip():
        raise UsageError("An account needs an id; give the number that Ads Manager shows as Account ID.")
    begin_writing(connection, _TABLE.name)
    found = find_account(connection, info.account_id)
    if found is not None:
        raise UsageError(
            f"Account {info.account_id} is there already with config_id {found}; "
            "change it with `ml-assets accounts set`."
        )
    values = {
        "name": info.name,
        "currency": info.currency,
        "timezone": info.timezone,
        "conversion_actions": None if info.conversion_actions is None else list(info.conversion_actions),
        "target_cpl": info.target_cpl,
        "monthly_budget": info.monthly_budget,
        "source": None if source is None else dict(source),
    }
    checked = {name: _checked(name, value) for name, value in values.items() if value is not None}
    # A loader may have inserted keys of its own choice, which the sequence does not know.
    newest = sa.select(sa.func.coalesce(sa.func.max(_TABLE.c.config_id), 0)).scalar_subquery()
    statement = sa.insert(_TABLE).values(config_id=newest + 1, account_id=info.account_id, **checked)
    config_id = connection.execute(statement.returning(_TABLE.c.config_id)).scalar_one()
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.text("SELECT setval(pg_get_serial_sequence('ads_accounts', 'config_id'), :newest)"),
            {"newest": config_id},
        )
    return config_id


def update_account(connection: sa.Connection, config_id: int, **settings: Any) -> None:  # noqa: ANN401
    """Change settings of an account: name, currency, timezone, conversion_actions, target_cpl,
    monthly_budget, is_active, source. None clears a setting.

    Raises UsageError for an unknown account or setting, and for a value that cannot be right.
    """  # noqa: D205
    unknown = sorted(set(settings) - _SETTINGS)
    if unknown:
        raise UsageError(
            f"An account has no setting {', '.join(unknown)}; there are {', '.join(sorted(_SETTINGS))}."
        )
    if not settings:
        return
    values = {name: _checked(name, value) for name, value in settings.items()}
    update = sa.update(_TABLE).where(_TABLE.c.config_id == config_id).values(**values)
    if connection.execute(update).rowcount == 0:
        raise UsageError(
            f"There is no account with config_id {config_id}; `ml-assets accounts list` shows them."
        )


def _checked(name: str, value: Any) -> Any:  # noqa: ANN401 - a setting is of any type
    if value is None:
        if name == "is_active":
            raise UsageError("is_active is true or false.")
        return sa.null()
    if name == "currency":
        return _currency(value)
    if name == "timezone":
        return _timezone(value)
    if name in {"target_cpl", "monthly_budget"}:
        return _positive(name, value)
    if name == "conversion_actions":
        actions = [str(action).strip() for action in value] if not isinstance(value, str) else []
        if not actions or not all(actions):
            raise UsageError(
                'conversion_actions is a list of Meta action types, such as ["lead"]; at least one.'
            )
        return actions
    return value


def _currency(value: object) -> str:
    code = str(value).strip().upper()
    if len(code) != CURRENCY_LETTERS or not (code.isascii() and code.isalpha()):
        raise UsageError(f"{value!r} is not a currency; give its three letters, such as USD or BRL.")
    return code


def _timezone(value: object) -> str:
    name = str(value).strip()
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(
            f"{value!r} is not a time zone; give an IANA name such as America/Sao_Paulo."
        ) from error
    return name


def _positive(name: str, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise UsageError(f"{name} is {value!r}; it has to be a number above 0.")
    return number
