"""Models of the rows of tables, made from the columns and what is said of them: one place says both."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import polars as pl
from pydantic import BaseModel, Field, create_model

from ml_assets.storage.pages import Listing

Json = dict[str, Any] | list[Any] | str | float | bool
"""A document as it is stored."""

_TYPES: Mapping[type[pl.DataType], Any] = {
    pl.Int64: int,
    pl.Float64: float,
    pl.String: str,
    pl.Boolean: bool,
    pl.Date: dt.date,
    pl.Datetime: dt.datetime,
}

_SURE = {"id", "config_id", "entity_type", "entity_id"}
"""Columns that are never null."""

_EXAMPLES: Mapping[str, Any] = {
    "id": "1e653b6c-eb44-5f7d-a180-d4fb684a5214",
    "config_id": 1,
    "entity_type": "campaign",
    "entity_id": "120200000718523984",
    "parent_id": None,
    "tier": "HIGH_PERFORMER",
    "confidence_score": 0.93,
    "probabilities": {"HIGH_PERFORMER": 0.93, "MODERATE": 0.07},
    "recommendation_type": "BUDGET_DECREASE",
    "status": "active",
    "priority": 9,
    "severity": "HIGH",
    "metric_name": "cpm",
    "anomaly_type": "CPM_SPIKE",
    "target_metric": "leads",
    "horizon_days": 7,
}

_KEY_DOCS = {
    "id": "UUIDv5 of the natural key: a re-run keeps it",
    "campaign_id": "The same as `entity_id` for campaigns, as callers from before the levels know it",
}


def row_model(
    name: str,
    doc: str,
    listing: Listing,
    docs: Mapping[str, str],
    further: Mapping[str, tuple[Any, Any]] | None = None,
) -> type[BaseModel]:
    """The model of the rows of a list: its columns with what `docs` says of them, and `further` fields."""
    fields: dict[str, Any] = {}
    documents = set(listing.documents)
    said = {**docs, **_KEY_DOCS} if "campaign_id" not in listing.columns else {**_KEY_DOCS, **docs}
    for column, (_, dtype) in listing.columns.items():
        kind = Json if column in documents else _TYPES[type(dtype)]
        fields[column] = _field(column, kind, said)
    if "campaign_id" not in fields:
        fields["campaign_id"] = _field("campaign_id", str, said)
    every: dict[str, Any] = {**fields, **(further or {})}
    return create_model(name, __doc__=doc, **every)


def _field(column: str, kind: Any, docs: Mapping[str, str]) -> Any:  # noqa: ANN401 - pydantic's own form
    examples = [_EXAMPLES[column]] if column in _EXAMPLES else None
    hint = kind if column in _SURE else kind | None
    return hint, Field(description=docs.get(column), examples=examples)
