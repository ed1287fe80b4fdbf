"""What every row and every list has in common."""

import datetime as dt
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")

DATA_AS_OF = "When figures of these accounts were last read from Meta, UTC; null where there are none."


class Answer(BaseModel):
    """What every GET answers says."""

    data_as_of: dt.datetime | None = Field(description=DATA_AS_OF, examples=["2026-03-01T09:00:00Z"])


class PageOf(Answer, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class EntityRow(BaseModel):
    """The entity that a row is about."""

    id: str = Field(description="UUIDv5 of the natural key: a re-run keeps it.")
    config_id: int = Field(examples=[1])
    entity_type: str = Field(examples=["campaign"])
    entity_id: str = Field(examples=["120000000000000001"])
    parent_id: str | None = Field(description="The entity one level up; null for a campaign.")
    campaign_id: str | None = Field(
        default=None, description="The same as `entity_id` for campaigns, as callers from before know it."
    )


Json = dict[str, Any] | list[Any]
"""A document as it is stored."""
