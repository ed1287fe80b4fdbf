"""What a run may touch: the accounts, the restriction of its run config, and the days that are over."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
from pydantic import Field

from ml_assets.defs.keys import RunKeys
from ml_assets.errors import DayNotOverError, MlAssetsError, NotReadyError, UsageError
from ml_assets.local_days import local_date, zones_of
from ml_assets.storage.reads import read_accounts

if TYPE_CHECKING:
    from sqlalchemy import Connection

RESTRICTED_TAG = "restricted"
"""Tag of a run, and of its materializations, that replaced only some rows of its partitions."""

MAX_NAMED = 5
"""How many partitions or accounts a sentence names before it only counts them."""


class AccountRestriction(dg.Config):
    """Load only some accounts. Allowed where the partition was loaded for all of them before."""

    config_ids: list[int] | None = Field(
        default=None, description="Accounts to load, by config_id; empty: all active accounts."
    )

    @property
    def wanted_entities(self) -> list[str] | None:
        """None: figures are loaded for whole accounts."""
        return None

    @property
    def is_restricted(self) -> bool:
        """Whether the run leaves rows of its partitions as they are."""
        return self.config_ids is not None


class Restriction(AccountRestriction):
    """Replace only some rows of the partition. Allowed where it was complete before."""

    entity_ids: list[str] | None = Field(
        default=None, description="Campaigns, adsets or ads to replace, by their Meta id; empty: all."
    )

    @property
    def wanted_entities(self) -> list[str] | None:
        """The entities whose rows are replaced; None: all."""
        return self.entity_ids

    @property
    def is_restricted(self) -> bool:
        """Whether the run leaves rows of its partitions as they are."""
        return self.config_ids is not None or self.entity_ids is not None


@dataclass(frozen=True)
class Scope:
    """The accounts of a run (schema `ACCOUNTS`), what it is restricted to, and what was left out."""

    keys: RunKeys
    accounts: pl.DataFrame
    restriction: AccountRestriction
    left_out: tuple[str, ...] = ()

    @property
    def config_ids(self) -> list[int]:
        """The accounts whose rows the run replaces."""
        return self.accounts["config_id"].to_list()

    @property
    def entity_ids(self) -> list[str] | None:
        """The entities whose rows the run replaces; None: all."""
        return self.restriction.wanted_entities

    def rows_of(self, frame: pl.DataFrame, date_column: str) -> pl.DataFrame:
        """The rows of `frame` that the run may write: of its entities, on days that are over for them."""
        if self.entity_ids is not None:
            frame = frame.filter(pl.col("entity_id").is_in(self.entity_ids))
        if "last_finished_date" not in self.accounts.columns:
            return frame
        return (
            frame.join(self.accounts.select("config_id", "last_finished_date"), on="config_id")
            .filter(pl.col(date_column) <= pl.col("last_finished_date"))
            .drop("last_finished_date")
        )


@contextmanager
def explained() -> Iterator[None]:
    """Errors raised on purpose become failures that show their sentence, and are not retried."""
    try:
        yield
    except MlAssetsError as error:
        raise dg.Failure(
            description=str(error), metadata={"error": type(error).__name__}, allow_retries=False
        ) from error


def open_scope(
    context: dg.AssetExecutionContext,
    connection: "Connection",
    keys: RunKeys,
    restriction: AccountRestriction,
) -> Scope:
    """The scope of a run over whatever days it was asked for.

    Raises NotReadyError where there is no account yet or a restricted run asks for a partition that was
    never complete, UsageError for an account that does not exist or is not active.
    """
    accounts = read_accounts(connection)
    if accounts.is_empty():
        raise NotReadyError(
            "There is no active account yet: load an Ads Manager export with `ml-assets ingest export FILE`, "
            "which makes the account, or add one with `ml-assets accounts add`."
        )
    if restriction.is_restricted:
        _require_complete(context)
        context.instance.add_run_tags(context.run.run_id, {RESTRICTED_TAG: "true"})
    if restriction.config_ids is not None:
        unknown = sorted(set(restriction.config_ids) - set(accounts["config_id"].to_list()))
        if unknown:
            raise UsageError(
                f"There is no active account with config_id {', '.join(map(str, unknown))}; "
                "`ml-assets accounts list` shows those there are."
            )
        accounts = accounts.filter(pl.col("config_id").is_in(restriction.config_ids))
    return Scope(keys=keys, accounts=accounts, restriction=restriction)


def open_finished_scope(
    context: dg.AssetExecutionContext,
    connection: "Connection",
    keys: RunKeys,
    restriction: AccountRestriction,
    now: dt.datetime | None = None,
) -> Scope:
    """The scope of a run that judges days, and so only days that are over where the account is.

    An account whose day still runs is left out of that day, with a line in `left_out`. Raises
    DayNotOverError where a day is over for no account; otherwise as `open_scope`.
    """
    scope = open_scope(context, connection, keys, restriction)
    accounts = with_last_finished_date(scope.accounts, now or dt.datetime.now(dt.UTC))
    newest = accounts.sort("last_finished_date")[-1]
    if keys.end > newest["last_finished_date"].item():
        zone = ZoneInfo(newest["timezone"].item() or "UTC")
        over = dt.datetime.combine(keys.end + dt.timedelta(days=1), dt.time(), zone).astimezone(dt.UTC)
        raise DayNotOverError(
            f"{keys.end} is not over yet in any account's time zone and cannot be judged: leave it out, or "
            f"run it from {over:%Y-%m-%d %H:%M} UTC on."
        )
    running = accounts.filter(pl.col("last_finished_date") < keys.end).sort("config_id")
    left_out = tuple(
        running.select(
            pl.format(
                "Account {} ({}) is left out of the days after {}: they are not over there.",
                "config_id",
                pl.col("timezone").fill_null("UTC"),
                pl.col("last_finished_date").dt.to_string(),
            )
        ).to_series()
    )
    return Scope(keys=keys, accounts=accounts, restriction=restriction, left_out=left_out)


def with_last_finished_date(accounts: pl.DataFrame, now: dt.datetime) -> pl.DataFrame:
    """`accounts` with `last_finished_date`: the last day that is over at `now` in their time zone."""
    today = local_date(pl.lit(now), pl.col("timezone").fill_null("UTC"), zones_of(accounts))
    return accounts.with_columns(last_finished_date=today.dt.offset_by("-1d"))


def _require_complete(context: dg.AssetExecutionContext) -> None:
    """A restricted run is only ever let in after a full one, so any materialization means complete."""
    complete = context.instance.get_materialized_partitions(context.asset_key)
    missing = sorted(set(map(str, context.partition_keys)) - complete)
    if missing:
        named = ", ".join(missing[:MAX_NAMED]) + (" and others" if len(missing) > MAX_NAMED else "")
        raise NotReadyError(
            f"{context.asset_key.to_user_string()} was never complete for {named}: a run that is restricted "
            "to some accounts or entities would leave it half filled. Materialize it without config_ids and "
            "entity_ids first."
        )
