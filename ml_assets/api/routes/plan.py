"""The plan of an account and a date, as JSON and as CSV."""

import datetime as dt
from typing import Annotated, Any, Literal

import polars as pl
import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi import Query as QueryParameters
from pydantic import BaseModel, Field, create_model

from ml_assets.api.answers import json_answer, stored_json
from ml_assets.api.callers import Caller, Reader
from ml_assets.api.context import Context, Shared
from ml_assets.api.filters import ConfigId, Day, Query, visible_accounts
from ml_assets.api.lists import as_before
from ml_assets.api.models.lists import Answer, Recommendation
from ml_assets.api.problems import Problem, problems
from ml_assets.entities import LEVELS, EntityType
from ml_assets.report.plan import Plan, read_plan
from ml_assets.storage.lists import RECOMMENDATIONS
from ml_assets.storage.recommendations import newest_dates

router = APIRouter(prefix="/plan", tags=["plan"])

CSV = "text/csv"

NAMED_ACCOUNTS = 20

FORMULA = r"^[=+\-@\t\r]"
"""What a spreadsheet would run."""

PlannedRecommendation = create_model(
    "PlannedRecommendation",
    __base__=Recommendation,
    __doc__="A recommendation of the plan.",
    money_per_week=(float | None, Field(description="What it is worth a week, account currency.")),
)


class Held(BaseModel):
    """How many a guard holds back."""

    blocked_by: str = Field(examples=["cooldown"])
    count: int


class PlanOfDay(Answer):
    """What to do on a date, best first, and what is held back."""

    config_id: int
    date: dt.date
    currency: str | None
    money_per_week: float = Field(description="What all that is issued is worth a week.")
    cost_of_waiting: float = Field(description="What a week without any of it costs.")
    issued: list[PlannedRecommendation]  # type: ignore[valid-type] - a model made at run time
    held: list[Held] = Field(description="How many each guard holds back; see /recommendations?blocked=true.")
    below_the_fold: int = Field(description="How many the day's list had no room for.")
    applied: int
    dismissed: int
    expired: int = Field(description="How many of the issued are over by now.")


class PlanQuery(Query):
    """Which plan."""

    config_id: ConfigId | None = Field(
        default=None, description="The account; needed where the token may see more than one."
    )
    date: Day | None = Field(default=None, description="The newest date with a plan unless given.")
    entity_type: Literal["campaign", "adset", "ad"] | None = Field(
        default=None, description="One level alone; all three unless given: a plan is of the whole account."
    )
    format: Literal["json", "csv"] | None = Field(
        default=None, description="`csv` for a spreadsheet; so does `Accept: text/csv`."
    )


@router.get(
    "",
    response_model=PlanOfDay,
    responses={
        200: {
            "content": {CSV: {"schema": {"type": "string"}, "example": "date,priority,title\n"}},
            "headers": {
                "Data-As-Of": {
                    "description": "As `data_as_of`; for CSV.",
                    "schema": {"type": "string", "format": "date-time"},
                }
            },
        },
        **problems(404),
    },
)
def get_plan(
    request: Request, query: Annotated[PlanQuery, QueryParameters()], caller: Reader, context: Shared
) -> Response:
    """The plan of an account on a date: what is issued, best first, and how much is held back."""
    account = _account(context, caller, query.config_id)
    config_id = account["config_id"]
    levels = list(LEVELS) if query.entity_type is None else [EntityType(query.entity_type)]
    date, plan = context.read(lambda connection: _read(connection, config_id, query.date, levels))
    as_of = context.data_as_of({config_id})
    wants_csv = query.format == "csv" or (query.format is None and _prefers_csv(request))
    if wants_csv:
        headers = {} if as_of is None else {"Data-As-Of": f"{as_of:%Y-%m-%dT%H:%M:%SZ}"}
        headers["Content-Disposition"] = f'attachment; filename="plan-{config_id}-{date}.csv"'
        return Response(as_csv(plan.issued), media_type=f"{CSV}; charset=utf-8", headers=headers)
    rows = [
        as_before({k: stored_json(v) if k in RECOMMENDATIONS.documents else v for k, v in row.items()})
        for row in plan.issued.drop("plan_reason").to_dicts()
    ]
    return json_answer(
        {
            "config_id": config_id,
            "date": date,
            "currency": account["currency"],
            "money_per_week": plan.money_per_week,
            "cost_of_waiting": plan.cost_of_waiting,
            "issued": rows,
            "held": [{"blocked_by": guard, "count": count} for guard, count in plan.blocked],
            "below_the_fold": plan.below_the_fold,
            "applied": plan.acted_upon("applied"),
            "dismissed": plan.acted_upon("dismissed"),
            "expired": plan.over,
            "data_as_of": as_of,
        }
    )


def as_csv(issued: pl.DataFrame) -> str:
    """The issued rows for a spreadsheet, which shall run none of their texts as a formula."""
    columns = (
        "recommendation_date", "priority", "entity_type", "entity_id", "recommendation_type", "title",
        "description", "confidence_score", "money_per_week", "cost_of_waiting", "status", "expires_at", "id",
    )  # fmt: skip
    told = issued.select(columns).with_columns(
        pl.when(pl.col(pl.String).str.contains(FORMULA))
        .then(pl.lit("'") + pl.col(pl.String))
        .otherwise(pl.col(pl.String))
        .name.keep()
    )
    return told.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ", line_terminator="\r\n")


def _account(context: Context, caller: Caller, config_id: int | None) -> dict[str, Any]:
    config_ids = visible_accounts(context, caller, config_id)
    if len(config_ids) != 1:
        some = ", ".join(map(str, config_ids[:NAMED_ACCOUNTS])) or "none"
        raise Problem(422, f"query.config_id: say which account; the token may see {some}.")
    return context.accounts().filter(pl.col("config_id") == config_ids[0]).row(0, named=True)


def _read(
    connection: sa.Connection, config_id: int, asked: dt.date | None, levels: list[EntityType]
) -> tuple[dt.date, Plan]:
    newest = newest_dates(connection, [config_id])
    if newest.is_empty():
        raise Problem(404, f"Nothing has been recommended for account {config_id} yet.")
    date = asked or newest["recommendation_date"].item()
    plan = read_plan(connection, config_id, date, levels)
    if not plan.is_within_reach:
        last = newest["recommendation_date"].item()
        raise Problem(404, f"There is no plan of {date}; the newest of account {config_id} is of {last}.")
    return date, plan


def _prefers_csv(request: Request) -> bool:
    accepted = request.headers.get("accept", "")
    return CSV in accepted and "application/json" not in accepted
