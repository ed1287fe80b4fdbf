"""The decision thresholds in force for every account, and their versions in `ml_policies`.

A stored version holds only what differs from the defaults (`ml_assets.recommendations.policy`): the version
of all accounts (config_id null) lies over the defaults, the account's own over that. A change writes a new
version; old ones stay, inactive.
"""

import datetime as dt
import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.errors import UsageError
from ml_assets.frames import UTC, Schema
from ml_assets.recommendations.policy import Policy, thresholds
from ml_assets.storage.audit import log_action
from ml_assets.storage.bulk import fetch
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import NAMESPACE, SEPARATOR, table_of
from ml_assets.storage.tables import AdsAccount, MLPolicy

POLICY_VERSIONS: Schema = {
    "config_id": pl.Int64(),  # null: of all accounts
    "version": pl.String(),
    "is_active": pl.Boolean(),
    "thresholds": pl.String(),  # JSON object: overridden names and their values
    "created_by": pl.String(),
    "created_at": UTC,
}
"""The rows of `ml_policies`."""

_TABLE = table_of(MLPolicy)


@dataclass(frozen=True)
class Overrides:
    """One stored version as it stands: of an account, or of all accounts (`config_id` None)."""

    config_id: int | None
    version: str
    text: str | None

    @property
    def owner(self) -> str:
        """Whose version it is, in words."""
        return "all accounts" if self.config_id is None else f"account {self.config_id}"

    def values(self) -> dict[str, Any]:
        """Overridden names and values, not yet validated. Raises UsageError for what is no JSON object."""
        try:
            values = json.loads(self.text or "{}")
        except ValueError as error:
            raise self._unusable(f"{error} in {self.text!r}") from error
        if values is None:
            return {}
        if not isinstance(values, dict):
            raise self._unusable(f"{self.text!r} is not an object of names and values")
        return values

    def over(self, policy: Policy) -> Policy:
        """`policy` with these thresholds. Raises UsageError naming owner, threshold and what to do."""
        values = self.values()
        if not values:
            return policy
        try:
            return policy.changed(values, self._version_over(policy))
        except UsageError as error:
            option = self._option()
            raise UsageError(
                f"The thresholds stored for {self.owner} (version {self.version}) cannot be used: {error} "
                f"Set a right value with `ml-assets policy set NAME=VALUE{option}`, or go back to the "
                f"default with `ml-assets policy reset NAME{option}`."
            ) from error

    def _version_over(self, policy: Policy) -> str:
        return f"{policy.version}+{'all' if self.config_id is None else 'account'}:{self.version}"

    def _unusable(self, reason: str) -> UsageError:
        return UsageError(
            f"The thresholds stored for {self.owner} (version {self.version}) cannot be read: {reason}. "
            f"`ml-assets policy reset{self._option()}` goes back to the defaults."
        )

    def _option(self) -> str:
        return "" if self.config_id is None else f" --account {self.config_id}"


# ------------------------------------------------------------------------------------------ read


def read_policies(connection: sa.Connection, config_ids: Sequence[int]) -> dict[int, Policy]:
    """The policy in force for every asked account, in one query.

    `version` says what it is made of: "1" are the defaults, "1+all:3" the third version of all accounts
    over them, "1+all:3+account:2" the second version of the account over that. Raises UsageError, naming
    account and threshold, where a stored version cannot be used.
    """
    if not config_ids:
        return {}
    stored = read_overrides(connection, config_ids)
    common = _over(Policy(), stored.get(None))
    return {config_id: _over(common, stored.get(config_id)) for config_id in config_ids}


def read_overrides(
    connection: sa.Connection, config_ids: Sequence[int] | None = None
) -> dict[int | None, Overrides]:
    """The newest active version of all accounts (key None) and of each account; None: every account."""
    where: list[sa.ColumnElement[bool]] = [_TABLE.c.is_active.is_(sa.true())]
    if config_ids is not None:
        where.append(sa.or_(_TABLE.c.config_id.is_(None), _TABLE.c.config_id.in_(list(config_ids))))
    # Rows of a loader may leave several active ones: the last in this order is the newest.
    rows = _versions(connection, where).select("config_id", "version", "thresholds").rows()
    return {config_id: Overrides(config_id, version, text) for config_id, version, text in rows}


def policy_history(connection: sa.Connection, config_ids: Sequence[int] | None = None) -> pl.DataFrame:
    """Every version of all accounts and of the given ones (None: every account), in POLICY_VERSIONS.

    Oldest first within an owner; the versions of all accounts come first.
    """
    where: list[sa.ColumnElement[bool]] = []
    if config_ids is not None:
        where.append(sa.or_(_TABLE.c.config_id.is_(None), _TABLE.c.config_id.in_(list(config_ids))))
    return _versions(connection, where)


def _versions(connection: sa.Connection, where: Sequence[sa.ColumnElement[bool]]) -> pl.DataFrame:
    frame = fetch(connection, [_TABLE.c[name] for name in POLICY_VERSIONS], POLICY_VERSIONS, where=where)
    # Versions are counted, but a loader may have written any text: then the text decides.
    return frame.sort("config_id", "created_at", pl.col("version").cast(pl.Int64, strict=False), "version")


def _over(policy: Policy, overrides: Overrides | None) -> Policy:
    return policy if overrides is None else overrides.over(policy)


# ------------------------------------------------------------------------------------------ write


def set_thresholds(
    connection: sa.Connection, config_id: int | None, overrides: Mapping[str, float], by: str
) -> Policy:
    """Override thresholds of an account (None: of all accounts) and return the policy then in force.

    What was overridden before stays overridden. Writes a new version and a row of the audit log; nothing
    where every value stands already. Raises UsageError for an unknown account, name or value, for values
    that contradict each other, and for a change of all accounts that one account's own contradict.
    """
    if not overrides:
        raise UsageError("Nothing to change: give at least one threshold as NAME=VALUE.")
    stored = _begin(connection, config_id, by)
    own = stored.get(config_id)
    before = {} if own is None else own.values()
    after = {**before, **overrides}
    untouched = {name: value for name, value in before.items() if name not in overrides}
    return _change(connection, stored, config_id, after, untouched, by, "policy.set")


def reset_thresholds(
    connection: sa.Connection, config_id: int | None, names: Collection[str] | None, by: str
) -> Policy:
    """Take overrides of an account (None: of all accounts) back and return the policy then in force.

    `names` None: all of them, also what cannot be read. Writes as `set_thresholds` does. Raises UsageError
    for a name that is not overridden there, and where what remains cannot stand together.
    """
    stored = _begin(connection, config_id, by)
    own = stored.get(config_id)
    if names is None:
        return _change(connection, stored, config_id, {}, {}, by, "policy.reset")
    before = {} if own is None else own.values()
    for name in names:
        if name not in before:
            raise UsageError(_not_overridden(name, before, stored, config_id))
    after = {name: value for name, value in before.items() if name not in names}
    return _change(connection, stored, config_id, after, after, by, "policy.reset")


def _begin(connection: sa.Connection, config_id: int | None, by: str) -> dict[int | None, Overrides]:
    """What is stored now, with the right to change it."""
    if not by.strip():
        raise UsageError("Say who changes the thresholds; the history of the policy names them.")
    begin_writing(connection, _TABLE.name)
    if config_id is not None:
        accounts = table_of(AdsAccount)
        found = connection.execute(sa.select(accounts.c.config_id).where(accounts.c.config_id == config_id))
        if found.first() is None:
            raise UsageError(
                f"There is no account with config_id {config_id}; `ml-assets accounts list` shows them."
            )
    return read_overrides(connection, None if config_id is None else [config_id])


def _change(
    connection: sa.Connection,
    stored: Mapping[int | None, Overrides],
    config_id: int | None,
    after: Mapping[str, Any],
    untouched: Mapping[str, Any],
    by: str,
    action: str,
) -> Policy:
    """Store `after` as the overrides of `config_id`; `untouched` are those of them that are not new."""
    below = Policy() if config_id is None else _over(Policy(), stored.get(None))
    own = stored.get(config_id)
    try:
        below.changed(after, below.version)
    except UsageError:
        if own is not None:  # what stood before may be what is wrong; then the advice is another
            Overrides(config_id, own.version, json.dumps(dict(untouched))).over(below)
        raise
    before = _readable(own)
    if before == after:
        return _over(below, own)
    new = Overrides(config_id, _next_version(connection, config_id), json.dumps(dict(after)))
    policy = new.over(below)
    if config_id is None:
        _require_agreement(stored, policy)
    _write(connection, new, by)
    left = before or {}
    changed = [name for name in dict.fromkeys([*left, *after]) if left.get(name) != after.get(name)]
    log_action(
        connection,
        by,
        action,
        config_id=config_id,
        subject=f"version {new.version}",
        details={
            "before": {name: left.get(name) for name in changed},
            "after": {name: after.get(name) for name in changed},
        },
    )
    return policy


def _readable(overrides: Overrides | None) -> dict[str, Any] | None:
    """The values of what may not be readable; None where they cannot be read, {} where nothing is stored."""
    if overrides is None:
        return {}
    try:
        return overrides.values()
    except UsageError:
        return None


def _require_agreement(stored: Mapping[int | None, Overrides], common: Policy) -> None:
    """Refuse a policy of all accounts under which one account's own thresholds would no longer be usable."""
    for config_id, overrides in stored.items():
        if config_id is None:
            continue
        try:
            overrides.over(common)
        except UsageError as error:
            try:
                _over(_over(Policy(), stored.get(None)), overrides)
            except UsageError:
                continue  # unusable before this change; reading it says so
            raise UsageError(f"This change does not go with another. {error}") from error


def _write(connection: sa.Connection, new: Overrides, by: str) -> None:
    connection.execute(
        sa.update(_TABLE)
        .where(_TABLE.c.config_id.is_not_distinct_from(new.config_id), _TABLE.c.is_active.is_(sa.true()))
        .values(is_active=False)
    )
    owner = "" if new.config_id is None else str(new.config_id)
    connection.execute(
        sa.insert(_TABLE).values(
            id=str(uuid.uuid5(NAMESPACE, SEPARATOR.join((_TABLE.name, owner, new.version)))),
            config_id=new.config_id,
            version=new.version,
            thresholds=new.values(),
            is_active=True,
            created_by=by,
            created_at=dt.datetime.now(dt.UTC),
        )
    )


def _next_version(connection: sa.Connection, config_id: int | None) -> str:
    """One more than the highest number among the versions of the account; texts of a loader do not count."""
    where = _TABLE.c.config_id.is_not_distinct_from(config_id)
    used = connection.execute(sa.select(_TABLE.c.version).where(where)).scalars()
    return str(max((int(text) for text in used if text.isascii() and text.isdecimal()), default=0) + 1)


def _not_overridden(
    name: str, before: Mapping[str, Any], stored: Mapping[int | None, Overrides], config_id: int | None
) -> str:
    known = {item.name for item in thresholds()}
    if name not in known:
        near = get_close_matches(name, [*before, *known], n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"There is no threshold {name}.{hint} `ml-assets policy show` lists them."
    owner = "all accounts" if config_id is None else f"account {config_id}"
    common = {} if config_id is None else _readable(stored.get(None)) or {}
    where = " It is set for all accounts: leave out --account." if name in common else ""
    return f"{name} is not overridden for {owner}, so there is nothing to take back.{where}"
