"""The accounts a caller may see."""

from typing import Annotated

import polars as pl
from fastapi import APIRouter, Response
from fastapi import Query as QueryParameters
from pydantic import BaseModel, Field

from ml_assets.api.answers import json_answer, page_document
from ml_assets.api.callers import Reader
from ml_assets.api.context import Shared
from ml_assets.api.filters import ConfigId, Query, visible_accounts
from ml_assets.api.models.lists import page_model
from ml_assets.api.problems import problems

router = APIRouter(prefix="/accounts", tags=["accounts"])


class Account(BaseModel):
    """A Meta ad account and its settings; how its figures are got is left out."""

    config_id: int = Field(examples=[1])
    account_id: str = Field(description="Meta's id.", examples=["1234567890"])
    name: str | None
    currency: str | None = Field(examples=["BRL"])
    timezone: str | None = Field(description="IANA name; null: UTC.", examples=["America/Sao_Paulo"])
    conversion_actions: list[str] | None = Field(description="Meta action types that count as a lead.")
    target_cpl: float | None = Field(description="Target cost per lead, account currency.")
    monthly_budget: float | None = Field(description="Account currency.")


class AccountQuery(Query):
    """Which accounts."""

    config_id: ConfigId | None = Field(default=None, description="This one only.")


@router.get("", response_model=page_model(Account), responses=problems(404))
def list_accounts(
    query: Annotated[AccountQuery, QueryParameters()], caller: Reader, context: Shared
) -> Response:
    """The accounts that the token is for, by config_id; all of them on one page."""
    config_ids = visible_accounts(context, caller, query.config_id)
    shown = context.accounts().filter(pl.col("config_id").is_in(config_ids)).sort("config_id")
    rows = shown.select(list(Account.model_fields)).to_dicts()
    return json_answer(page_document(rows, None, context.data_as_of(config_ids)))
