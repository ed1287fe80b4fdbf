"""What the daily digest tells of each account: stored results of one date, the most pressing account first.

Every table is read once for all accounts. How it is worded is in `ml_assets.notices.digest`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl
import sqlalchemy as sa

from ml_assets.entities import LEVELS, EntityType
from ml_assets.frames import conform
from ml_assets.notices.digest import digest_notice
from ml_assets.notices.digest_rows import (
    DIGEST_ACCOUNTS,
    LACKS,
    MOVED,
    PACED,
    TO_DO,
    TOLD_INCIDENTS,
    DigestRows,
    Lacking,
)
from ml_assets.notices.message import Notice
from ml_assets.report.digest_pacing import read_paced
from ml_assets.report.incidents import OpenIncidents
from ml_assets.report.plan import Plan, read_plans
from ml_assets.storage.incidents import read_closed_incidents, read_open_incidents
from ml_assets.storage.keys import table_of
from ml_assets.storage.overview import read_classified
from ml_assets.storage.reads import read_entities, read_table
from ml_assets.storage.tables import MLClassification, MLFeatures
from ml_assets.words.names import OWN_LENGTH, clean_names, with_name

DIRECTIONS = ("up", "down")

_KEY = ["config_id", "entity_type", "entity_id"]


@dataclass(frozen=True)
class AccountDigest:
    """What a date brought an account."""

    account: dict[str, Any]
    """A row of ACCOUNTS."""
    date: dt.date
    plan: Plan
    changes: pl.DataFrame
    """MOVED: entities whose tier is another than the day before, largest spend first."""
    incidents: OpenIncidents
    """As of the date; `closed` are those that ended on it."""
    known: frozenset[str]
    """Incidents that were issued and open on the day before."""
    pacing: dict[str, Any] | None
    """A row of PACED; None where there are no figures of the date."""
    lacking: tuple[Lacking, ...]

    @cached_property
    def open_incidents(self) -> pl.DataFrame:
        """What is open and a person is told of, most pressing first."""
        return self.incidents.issued.filter(pl.col("status") == "open")

    @property
    def newly_open(self) -> pl.DataFrame:
        """Those of the open ones that were not told of on the day before."""
        return self.open_incidents.filter(~self._is_known())

    @property
    def still_open(self) -> pl.DataFrame:
        """Those of the open ones that were told of on the day before."""
        return self.open_incidents.filter(self._is_known())

    @property
    def closed(self) -> pl.DataFrame:
        """What was told of and ended on the date."""
        return self.incidents.lately_closed

    @property
    def money(self) -> float:
        """What is at stake: lost by what is open, and a week without the plan; account currency."""
        return float(self.open_incidents["money"].fill_nan(0.0).sum()) + self.plan.cost_of_waiting

    def _is_known(self) -> pl.Expr:
        return pl.col("incident_id").is_in(list(self.known))


def read_digests(connection: sa.Connection, accounts: pl.DataFrame, date: dt.date) -> list[AccountDigest]:
    """The digest of each of `accounts` (ACCOUNTS) on `date`, the account with most money at stake first.

    Nothing is computed anew. What has not been made is named in `lacking`.
    """
    if accounts.is_empty():
        return []
    ids = accounts["config_id"].to_list()
    plans = read_plans(connection, ids, date, LEVELS)
    judged, moved = _read_tiers(connection, ids, date)
    opened = read_open_incidents(connection, ids, date)
    closed = read_closed_incidents(connection, ids, date, date)
    before = OpenIncidents(read_open_incidents(connection, ids, date - dt.timedelta(days=1)), closed.clear())
    known = frozenset(before.issued.filter(pl.col("status") == "open")["incident_id"])
    paced = {row["config_id"]: row for row in read_paced(connection, accounts, date).to_dicts()}
    of_account = {
        name: frame.partition_by("config_id", as_dict=True)
        for name, frame in (("moved", moved), ("open", opened), ("closed", closed))
    }
    found = [
        AccountDigest(
            account=row,
            date=date,
            plan=plans[key],
            changes=of_account["moved"].get((key,), moved.clear()),
            incidents=OpenIncidents(
                of_account["open"].get((key,), opened.clear()),
                of_account["closed"].get((key,), closed.clear()),
            ),
            known=known,
            pacing=paced.get(key),
            lacking=_lacking(plans[key], is_judged=key in judged, pacing=paced.get(key)),
        )
        for row in accounts.to_dicts()
        for key in [row["config_id"]]
    ]
    return sorted(found, key=lambda digest: (-digest.money, digest.account["config_id"]))


def notice_of(
    digests: Sequence[AccountDigest], date: dt.date, language: str, late: Sequence[EntityType] = ()
) -> Notice:
    """The notice that tells `digests`, in their order. `late`: levels that were waited for in vain."""
    return digest_notice(digest_rows(digests), date, language, late)


def digest_rows(digests: Sequence[AccountDigest]) -> DigestRows:
    """The digests as the frames the notice is worded from."""
    if not digests:
        return DigestRows(pl.DataFrame(schema=dict(DIGEST_ACCOUNTS)))
    accounts = [
        {**digest.account, "name": digest.account["name"] or digest.account["account_id"]}
        for digest in digests
    ]
    pacing = [digest.pacing for digest in digests if digest.pacing is not None]
    lacks = [(digest.account["config_id"], what.value) for digest in digests for what in digest.lacking]
    return DigestRows(
        accounts=conform(pl.DataFrame(accounts, infer_schema_length=None), DIGEST_ACCOUNTS),
        to_do=pl.concat([_to_do(digest) for digest in digests]),
        moved=pl.concat([digest.changes for digest in digests]),
        incidents=pl.concat([_told(digest) for digest in digests]),
        pacing=pl.DataFrame(pacing, schema=dict(PACED)),
        lacks=pl.DataFrame(lacks, schema=dict(LACKS), orient="row"),
    )


def _read_tiers(
    connection: sa.Connection, ids: Sequence[int], date: dt.date
) -> tuple[set[int], pl.DataFrame]:
    """The accounts that were judged on `date`, and MOVED of it."""
    table = table_of(MLClassification)
    tiers = read_table(
        connection,
        MLClassification,
        date,
        date,
        LEVELS,
        ids,
        columns=(*_KEY, "tier", "previous_tier", "tier_change_direction"),
        where=[table.c.tier_change_direction.in_(DIRECTIONS)],
    )
    entity_ids = tiers["entity_id"].unique().to_list()
    spend = read_table(
        connection, MLFeatures, date, date, LEVELS, ids, columns=(*_KEY, "spend_14d"), entity_ids=entity_ids
    )
    names = clean_names(read_entities(connection, LEVELS, ids, entity_ids))
    named = with_name(tiers, names, pl.col("entity_type"), "entity_id", "name", OWN_LENGTH)
    moved = (
        named.rename({"tier_change_direction": "direction"})
        .join(spend.rename({"spend_14d": "spend"}), on=_KEY, how="left")
        .sort(
            "config_id", "spend", "entity_type", "entity_id",
            descending=[False, True, False, False], nulls_last=True,
        )
    )  # fmt: skip
    return read_classified(connection, date, ids), conform(moved, MOVED, "tiers that moved")


def _lacking(plan: Plan, *, is_judged: bool, pacing: dict[str, Any] | None) -> tuple[Lacking, ...]:
    found = []
    if not is_judged:
        found.append(Lacking.TIERS)
    if plan.rows.is_empty() and not plan.is_within_reach:
        found.append(Lacking.PLAN)
    if pacing is None:
        found.append(Lacking.FIGURES)
    elif pacing["days_left"] and not pacing["days_ahead"]:
        found.append(Lacking.FORECASTS)
    return tuple(found)


def _to_do(digest: AccountDigest) -> pl.DataFrame:
    otherwise = pl.col("recommendation_type") + " " + pl.col("entity_id")
    return conform(
        digest.plan.issued.with_columns(
            title=pl.coalesce("title", otherwise), probability="confidence_score"
        ),
        TO_DO,
    )


def _told(digest: AccountDigest) -> pl.DataFrame:
    """Open incidents, then those that ended."""
    otherwise = pl.concat_str("kind", "entity_type", "entity_id", separator=" ")
    new = pl.col("incident_id").is_in(digest.newly_open["incident_id"].implode())
    rows = [
        digest.open_incidents.with_columns(is_new=new, is_over=False),
        digest.closed.with_columns(is_new=False, is_over=True),
    ]
    return pl.concat(
        [
            conform(part.with_columns(sentence=pl.coalesce("description", otherwise)), TOLD_INCIDENTS)
            for part in rows
        ]
    )
