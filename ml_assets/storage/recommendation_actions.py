"""What people do with recommendations: apply, dismiss, reopen. Each writes one line of the log.

It concerns the case, so it is set on all rows of it (and of cases it runs into, see
`ml_assets.storage.recommendation_cases`). Doing the same again changes nothing.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.errors import StateConflictError, UnknownIdError, UsageError
from ml_assets.frames import Schema
from ml_assets.storage.audit import log_action
from ml_assets.storage.bulk import fetch, has_ids
from ml_assets.storage.engine import begin_writing
from ml_assets.storage.keys import table_of
from ml_assets.storage.reads import as_utc, read_accounts
from ml_assets.storage.recommendation_cases import (
    CASE_ROWS,
    DETECTED,
    MARK,
    with_chain,
    with_first_dates,
    with_marks,
)
from ml_assets.storage.recommendations import status_at
from ml_assets.storage.tables import MLRecommendation

TABLE = table_of(MLRecommendation)

LEAST_DIGITS = 4
"""Digits of an id that are needed to look it up."""

_ROWS: Schema = {**CASE_ROWS, "title": pl.String(), "confidence_score": pl.Float64()}
_SAME_EPISODE = ("mark", "marked_at", "detected_at")


@dataclass(frozen=True)
class Case:
    """The state of a case after an action."""

    row: dict[str, Any]
    """Its newest row that still holds, by names of columns."""

    rows: int
    """How many rows the action changed; 0: it was like that already."""

    @property
    def has_changed(self) -> bool:
        """Whether the action changed anything."""
        return self.rows > 0


@dataclass(frozen=True)
class _Found:
    """The rows of a case that share a state, the newest that holds, and its state in words."""

    rows: pl.DataFrame
    newest: dict[str, Any]

    @property
    def status(self) -> str:
        return str(self.newest["status_now"])

    @property
    def described(self) -> str:
        """The recommendation and what was done with it, for a sentence."""
        row = self.newest
        name = f"Recommendation {row['id'][:8]} ({row['title'] or row['recommendation_type']})"
        if self.status == "applied":
            by = (
                "was seen to be done"
                if row["applied_by"] == DETECTED
                else _by("was applied", row["applied_by"])
            )
            return f"{name} {by}{_on(row['applied_at'])}"
        if self.status == "dismissed":
            return f"{name} {_by('was dismissed', row['dismissed_by'])}{_on(row['dismissed_at'])}"
        return f"{name} is {self.status}"


def _by(what: str, person: str | None) -> str:
    return f"{what} by {person}" if person else what


def _on(moment: dt.datetime | None) -> str:
    return f" on {moment:%Y-%m-%d %H:%M} UTC" if moment else ""


def apply_recommendation(
    connection: sa.Connection,
    recommendation_id: str,
    by: str,
    at: dt.datetime | None = None,
    reason: str | None = None,
) -> Case:
    """Say that what was advised has been done: by whom, when (default: now), and why, if it is worth saying.

    `recommendation_id` is the id of a row or of a case, or its first digits where they name one case. A
    dismissed recommendation may be applied after all, an applied one stays as it is. Raises UsageError for an
    id that is unknown or ambiguous and for one that is expired or superseded.
    """
    moment = _moment(at)
    found = _find(connection, recommendation_id, moment)
    if found.status == "applied":
        return Case(_row(found), 0)
    _require_open(found, "be applied")
    values = {"status": "applied", "applied_at": moment, "applied_by": _person(by)}
    return _write(connection, found, "recommendation.apply", values, by, moment, reason)


def dismiss_recommendation(
    connection: sa.Connection,
    recommendation_id: str,
    by: str,
    at: dt.datetime | None = None,
    reason: str | None = None,
) -> Case:
    """Say that what was advised will not be done, and why; it stays quiet for a while.

    As `apply_recommendation`; a dismissed one stays as it is, one that was applied or seen to be done cannot
    be dismissed. Raises UsageError without a reason.
    """
    if reason is None or not reason.strip():
        raise UsageError(
            "Dismissing a recommendation needs a reason, such as `not now` or `planned otherwise`."
        )
    moment = _moment(at)
    found = _find(connection, recommendation_id, moment)
    if found.status == "dismissed":
        return Case(_row(found), 0)
    if found.status == "applied":
        hint = "" if found.newest["applied_by"] == DETECTED else "; reopen it first if that was a mistake"
        raise StateConflictError(f"{found.described} and cannot be dismissed any more{hint}.")
    _require_open(found, "be dismissed")
    values = {
        "status": "dismissed",
        "dismissed_at": moment,
        "dismissed_by": _person(by),
        "dismissed_reason": reason.strip(),
    }
    return _write(connection, found, "recommendation.dismiss", values, by, moment, reason.strip())


def reopen_recommendation(
    connection: sa.Connection,
    recommendation_id: str,
    by: str,
    at: dt.datetime | None = None,
    reason: str | None = None,
) -> Case:
    """Undo an apply or a dismissal that was a mistake; the log keeps both.

    The case is active again, or expired where its time is over. One that is active stays as it is. Raises
    UsageError as `apply_recommendation`, and for what was detected: the account itself says so.
    """
    moment = _moment(at)
    found = _find(connection, recommendation_id, moment)
    if found.status == "active":
        return Case(_row(found), 0)
    _require_open(found, "be reopened")
    if found.status == "applied" and found.newest["applied_by"] == DETECTED:
        raise UsageError(
            f"{found.described}: the budget or status in the account says so, and a new run would find it "
            "again. There is nothing to reopen."
        )
    is_over = sa.and_(TABLE.c.expires_at.is_not(None), TABLE.c.expires_at <= moment)
    values = {"status": sa.case((is_over, "expired"), else_="active"), **dict.fromkeys(MARK, sa.null())}
    return _write(connection, found, "recommendation.reopen", values, by, moment, reason)


def account_of_recommendation(connection: sa.Connection, recommendation_id: str) -> int:
    """The config_id of the row or case that an id names. Raises UsageError as `apply_recommendation`."""
    return int(_subject_of(connection, recommendation_id)["config_id"])


def _moment(at: dt.datetime | None) -> dt.datetime:
    return as_utc(at or dt.datetime.now(dt.UTC))


def _person(by: str) -> str:
    """The name of a person. Raises UsageError for none, and for the word that means a detection."""
    name = by.strip()
    if not name or name.casefold() == DETECTED:
        raise UsageError(f"Say who does this: {by!r} is not the name of a person.")
    return name


def _require_open(found: _Found, what: str) -> None:
    if found.status == "expired":
        raise StateConflictError(
            f"{found.described}: its time was over{_on(found.newest['expires_at'])}, and it cannot {what}. "
            "Look for what is advised now with `ml-assets recommendations list`."
        )
    if found.status == "superseded":
        raise StateConflictError(
            f"{found.described}: newer figures do not advise it any more, and it cannot {what}. "
            "Look for what is advised now with `ml-assets recommendations list`."
        )


def _find(connection: sa.Connection, recommendation_id: str, now: dt.datetime) -> _Found:
    """The rows that share the state of the row or case with this id; takes the right to write them."""
    begin_writing(connection, TABLE.name)
    subject = _subject_of(connection, recommendation_id)
    same = ("config_id", "entity_type", "entity_id", "recommendation_type")
    rows = fetch(
        connection,
        [TABLE.c[name] for name in _ROWS],
        _ROWS,
        where=[TABLE.c[name] == subject[name] for name in same],
    )
    accounts = read_accounts(connection, [subject["config_id"]], active_only=False)
    chained = with_chain(with_marks(with_first_dates(rows), accounts)).with_columns(status_now=status_at(now))
    asked = chained.filter(pl.col("id") == subject["id"])
    episode = chained.join(asked, on=["chain", *_SAME_EPISODE], how="semi", nulls_equal=True).sort(
        pl.col("status") != "superseded", "recommendation_date"
    )
    return _Found(episode, episode.row(-1, named=True))


def _subject_of(connection: sa.Connection, recommendation_id: str) -> dict[str, Any]:
    """id, entity and type of the newest row that an id, or its beginning, names."""
    start = recommendation_id.strip().lower()
    if len(start) < LEAST_DIGITS or start.strip("0123456789abcdef-"):
        raise UsageError(
            f"{recommendation_id!r} is not the id of a recommendation: give the first {LEAST_DIGITS} or more "
            "digits of one that `ml-assets recommendations list` shows."
        )
    columns = ("id", "case_id", "config_id", "entity_type", "entity_id", "recommendation_type", "title")

    def named(column: sa.Column[Any]) -> list[dict[str, Any]]:
        # The range is for the index; the digits decide.
        where = [column >= start, column < f"{start}g", column.startswith(start, autoescape=True)]
        statement = sa.select(*(TABLE.c[name] for name in columns)).where(*where)
        newest_first = statement.order_by(TABLE.c.recommendation_date.desc(), TABLE.c.id)
        return [dict(row) for row in connection.execute(newest_first).mappings()]

    found = named(TABLE.c.id) or named(TABLE.c.case_id)
    if not found:
        raise UnknownIdError(
            f"There is no recommendation {recommendation_id}; `ml-assets recommendations list` shows those "
            "there are."
        )
    if len({row["case_id"] or row["id"] for row in found}) > 1:
        some = ", ".join(
            f"{row['id'][:13]} ({row['title'] or row['recommendation_type']})" for row in found[:5]
        )
        raise UsageError(f"{recommendation_id} is the beginning of several: {some}. Give more digits.")
    return found[0]


def _write(
    connection: sa.Connection,
    found: _Found,
    action: str,
    values: dict[str, Any],
    by: str,
    at: dt.datetime,
    reason: str | None,
) -> Case:
    """Set `values` on the rows, and log it with what was there before."""
    ids = found.rows["id"].to_list()
    kept = {"status": sa.case((TABLE.c.status == "superseded", TABLE.c.status), else_=values["status"])}
    connection.execute(
        sa.update(TABLE).where(has_ids(connection, TABLE.c.id, ids)).values({**values, **kept})
    )
    before = found.newest
    log_action(
        connection,
        _person(by),
        action,
        config_id=before["config_id"],
        subject=before["case_id"] or before["id"],
        details={
            "recommendation_id": before["id"],
            "entity_type": before["entity_type"],
            "entity_id": before["entity_id"],
            "recommendation_type": before["recommendation_type"],
            "recommendation_date": before["recommendation_date"].isoformat(),
            "confidence_score": before["confidence_score"],
            "at": at.isoformat(),
            "reason": reason,
            "before": {
                name: value.isoformat() if isinstance(value, dt.datetime) else value
                for name, value in ((name, before[name]) for name in ("status", *MARK))
                if value is not None
            },
            "rows": ids,
        },
    )
    columns = [TABLE.c[name] for name in _ROWS]
    after = fetch(connection, columns, _ROWS, where=[TABLE.c.id == before["id"]])
    return Case(after.row(0, named=True), len(ids))


def _row(found: _Found) -> dict[str, Any]:
    return {name: found.newest[name] for name in _ROWS} | {"status": found.status}
