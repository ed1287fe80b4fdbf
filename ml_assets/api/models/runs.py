"""Runs and backfills of Dagster, as callers see them."""

import datetime as dt
from typing import Any, Literal

from pydantic import Field

from ml_assets.api.models.lists import Answer


class Run(Answer):
    """How a run or backfill stands."""

    id: str = Field(description="Id of the run, or of the backfill, in Dagster.", examples=["qhkcjyfu"])
    kind: Literal["run", "backfill"]
    status: Literal["QUEUED", "STARTED", "SUCCESS", "FAILURE", "CANCELED"]
    assets: list[str] = Field(description="What it makes.", examples=[["features", "classifications"]])
    partitions: str | None = Field(
        description="The partition, or the first and last of a range; null for a backfill.",
        examples=["2026-02-28|campaign"],
    )
    run_ids: list[str] = Field(description="Of a backfill: its runs so far.")
    failure: str | None = Field(description="Why it failed, and what to do; null otherwise.")
    hint: str | None = Field(description="What keeps it from starting, where that can be told.")
    created_at: dt.datetime | None
    started_at: dt.datetime | None
    ended_at: dt.datetime | None
    url: str | None = Field(description="Its page in the Dagster UI, where ML_ASSETS_DAGSTER_URL is set.")


class LaunchedRun(Run):
    """A run that was asked for."""

    results_url: str = Field(description="Path of the list of what it makes, to be read when it is done.")
    result: dict[str, Any] | None = Field(
        description="Its first page, where the run succeeded within `wait`; null otherwise."
    )
