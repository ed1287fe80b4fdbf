"""What every answer and every list has in common, and the lists of the tables."""

import datetime as dt
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field, create_model

from ml_assets.api.models.rows import row_model
from ml_assets.entities import EntityType
from ml_assets.report.column_docs import (
    ANOMALIES_DOCS,
    CLASSIFICATIONS_DOCS,
    ENTITIES_DOCS,
    FEATURES_DOCS,
    FORECASTS_DOCS,
    RECOMMENDATIONS_DOCS,
)
from ml_assets.storage import lists

Item = TypeVar("Item")

DATA_AS_OF = "When figures of these accounts were last read from Meta, UTC; null where there are none."


class Answer(BaseModel):
    """What every GET answers says."""

    data_as_of: dt.datetime | None = Field(description=DATA_AS_OF, examples=["2026-03-01T09:00:00Z"])


class PageOf(Answer, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


def page_model(item: type[BaseModel]) -> Any:  # noqa: ANN401 - a model made here
    """The model of a page of items, named after them."""
    page: Any = PageOf
    return create_model(f"{item.__name__}Page", __base__=page[item], __doc__=f"One page of {item.__name__}s.")


class ForecastPoint(BaseModel):
    """One day of a forecast."""

    target_date: dt.date
    predicted_value: float | None
    lower_80: float | None = Field(description="Lower end of the 80 % interval.")
    upper_80: float | None
    lower_95: float | None = Field(description="Lower end of the 95 % interval.")
    upper_95: float | None
    actual_value: float | None = Field(description="What it was; null while nothing is known of the day.")


Classification = row_model(
    "Classification", "The tier of an entity on a date, and how sure it is.", lists.CLASSIFICATIONS,
    CLASSIFICATIONS_DOCS,
)  # fmt: skip
Anomaly = row_model(
    "Anomaly", "One metric of one entity out of its expected band on a day.", lists.ANOMALIES, ANOMALIES_DOCS
)
Recommendation = row_model(
    "Recommendation", "What to do with an entity, as advised on a date.", lists.RECOMMENDATIONS,
    RECOMMENDATIONS_DOCS,
)  # fmt: skip
Forecast = row_model(
    "Forecast", "A forecast of one metric of one entity, made on a date.", lists.FORECASTS, FORECASTS_DOCS,
    {"points": (list[ForecastPoint], Field(description="Day by day, the next day first."))},
)  # fmt: skip
Features = row_model("Features", "What is known of an entity on a date.", lists.FEATURES, FEATURES_DOCS)
Entity = row_model(
    # Of adsets, which have documents.
    "Entity",
    "A campaign, adset or ad as last seen.",
    lists.entities(EntityType.ADSET),
    ENTITIES_DOCS,
)
