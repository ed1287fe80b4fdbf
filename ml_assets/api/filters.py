"""What the lists can be asked for: shared query parameters, checked, and the accounts they may show."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ml_assets.api.callers import Caller
from ml_assets.api.context import Context
from ml_assets.api.problems import Problem
from ml_assets.entities import EntityType

MOST_ROWS = 500
FIRST_DAY, LAST_DAY = dt.date(2000, 1, 1), dt.date(2199, 12, 31)


def _plain(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold the character NUL")
    return text


def _within(day: dt.date) -> dt.date:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"must be within {FIRST_DAY} and {LAST_DAY}")
    return day


PlainText = Annotated[str, AfterValidator(_plain)]
"""Text that every database can take."""

EntityId = Annotated[
    str, StringConstraints(min_length=1, max_length=100), AfterValidator(_plain), Field(examples=["23851"])
]
"""Meta's id of a campaign, adset or ad: text, never a number."""

ConfigId = Annotated[int, Field(ge=0, le=2**53 - 1, examples=[1])]
"""The key of an account; JSON holds whole numbers up to 2**53."""

Day = Annotated[dt.date, AfterValidator(_within)]
"""A day in the account's time zone."""

Level = Annotated[
    Literal["campaign", "adset", "ad"], Field(description="Level; campaigns unless it is given.")
]


class Query(BaseModel):
    """Base of all query parameters: one that is unknown is refused, not left unseen."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Paged(Query):
    """A list, page by page."""

    config_id: ConfigId | None = Field(
        default=None, description="The account; all that the token may see unless it is given."
    )
    limit: int = Field(default=50, ge=1, le=MOST_ROWS, description="Rows of a page.")
    cursor: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        default=None, description="`next_cursor` of the page before, with the same filters."
    )

    def filters(self) -> Mapping[str, Any]:
        """What the list is of, without the page: a cursor holds for these alone."""
        return self.model_dump(exclude={"limit", "cursor"})


class OfEntities(Paged):
    """A list of rows of entities of a level."""

    entity_type: Level = "campaign"
    entity_id: EntityId | None = Field(default=None, description="One campaign, adset or ad.")

    @property
    def level(self) -> EntityType:
        """The level asked for."""
        return EntityType(self.entity_type)


class OfDays(OfEntities):
    """A list of rows of entities and days; of the newest day of each account unless days are given."""

    date: Day | None = Field(default=None, description="One day.")
    from_: Day | None = Field(default=None, alias="from", description="First day; not beside `date`.")
    to: Day | None = Field(default=None, description="Last day, included; not beside `date`.")

    @model_validator(mode="after")
    def _days_agree(self) -> "OfDays":
        if self.date is not None and (self.from_ is not None or self.to is not None):
            raise ValueError("give `date`, or `from` and `to`, not both")
        if self.from_ is not None and self.to is not None and self.from_ > self.to:
            raise ValueError("`from` is after `to`")
        return self

    @property
    def days(self) -> tuple[dt.date | None, dt.date | None] | None:
        """First and last day asked for, None where open; None: the newest of each account."""
        if self.date is not None:
            return self.date, self.date
        return None if self.from_ is None and self.to is None else (self.from_, self.to)


def visible_accounts(context: Context, caller: Caller, config_id: int | None) -> list[int]:
    """The accounts a list shows. Raises Problem 404 for one that is unknown, 403 where the token lacks it."""
    if config_id is None:
        known = context.accounts()["config_id"].to_list()
        return [each for each in known if caller.may_see(each)]
    require_account(context, caller, config_id)
    return [config_id]


def require_account(context: Context, caller: Caller, config_id: int) -> None:
    """Raises Problem 403 where the token lacks an account, else 404 where it is unknown."""
    if not caller.may_see(config_id):
        raise Problem(403, f"This token is not for account {config_id}.")
    if config_id not in set(context.accounts()["config_id"]):
        raise Problem(404, f"There is no account {config_id}; GET /api/v1/ml/accounts lists those there are.")
