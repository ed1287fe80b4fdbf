"""Two small accounts with rows of every table, and the API over them.

Account 1 has three dates, account 2 lacks the last. Each level has three entities with a row on each date.
A fourth campaign has rows as a loader of before the levels wrote them: what may be null is null.
"""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import requests
import sqlalchemy as sa

from ml_assets.api.app import PREFIX, create_app
from ml_assets.api.callers import TokenCache
from ml_assets.api.context import Context
from ml_assets.api.rate_limit import RateLimiter
from ml_assets.entities import LEVELS
from ml_assets.frames import ENTITIES, INSIGHTS, fill_missing
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.bulk import insert_frame
from ml_assets.storage.keys import DATE_COLUMNS, row_ids, table_of
from ml_assets.storage.tables import (
    Base,
    MLAnomaly,
    MLClassification,
    MLFeatures,
    MLForecast,
    MLForecastPoint,
    MLIncident,
    MLRecommendation,
)
from ml_assets.storage.writes import append_insights, upsert_entities
from ml_assets_tests.api.serving import serving

FIRST_DAY = dt.date(2026, 2, 26)
DAYS = [FIRST_DAY + dt.timedelta(days=number) for number in range(3)]
LAST_DAY, NEWEST_OF_2 = DAYS[-1], DAYS[-2]
READ_AT = dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)
LONG_AGO, FAR_AHEAD = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (2020, 2150))
SECRET = "a-key-of-the-source"  # noqa: S105 - looked for in answers
OPEN_INCIDENT, CLOSED_INCIDENT = (
    "1f3a9c02-0000-5000-8000-000000000001",
    "2e4b8d13-0000-5000-8000-000000000002",
)
LEGACY = "legacy"
DIGITS = {level: str(number) for number, level in enumerate(LEVELS, start=1)}

RESULTS: dict[str, type[Base]] = {
    "classifications": MLClassification,
    "anomalies": MLAnomaly,
    "recommendations": MLRecommendation,
    "forecasts": MLForecast,
    "features": MLFeatures,
}
"""Lists of rows of entities and days -> their tables."""


def id_of(config_id: int, level: str, number: int) -> str:
    """The id of the entity `number` (0 to 2) of a level."""
    return f"{config_id}{DIGITS[level]}{number}"  # type: ignore[index] - levels are texts


def keys(days: list[dt.date], config_ids: tuple[int, ...] = (1, 2)) -> pl.DataFrame:
    """A row for each account, level, entity and day; account 2 has none on the last day."""
    rows = [
        {
            "config_id": config_id,
            "entity_type": level.value,
            "entity_id": id_of(config_id, level, number),
            "parent_id": None if level.parent is None else id_of(config_id, level.parent, number),
            "number": number,
            "date": day,
        }
        for config_id in config_ids
        for level in LEVELS
        for number in range(3)
        for day in days
        if config_id == 1 or day != LAST_DAY
    ]
    return pl.DataFrame(rows, schema_overrides={"parent_id": pl.String})


def _pick(*values: Any) -> pl.Expr:
    """A value by the number of the entity."""
    return pl.col("number").replace_strict(dict(enumerate(values)), return_dtype=pl.String)


def rows_of(model: type[Base], keyed: pl.DataFrame) -> pl.DataFrame:
    """Rows of a result table for these keys, with ids."""
    table = table_of(model)
    rows = keyed.rename({"date": DATE_COLUMNS[table.name]})
    moment = pl.lit(READ_AT)
    if model is MLClassification:
        rows = rows.with_columns(
            tier=_pick("HIGH_PERFORMER", "LOW", "LOW"),
            probabilities=pl.lit(json.dumps({"LOW": 0.75, "MODERATE": 0.25})),
            confidence_score=pl.lit(0.75),
            classified_at=moment,
        )
    elif model is MLFeatures:
        rows = rows.with_columns(window_days=pl.lit(30), generated_at=moment)
    elif model is MLAnomaly:
        rows = rows.with_columns(
            metric_name=_pick("cpm", "ctr", "spend"),
            anomaly_type=_pick("CPM_SPIKE", "CTR_DROP", "SPEND_DROP"),
            severity=_pick("HIGH", "LOW", "LOW"),
            is_alert=pl.col("number") < 2,
            incident_id=_pick(OPEN_INCIDENT, CLOSED_INCIDENT, None),
            is_acknowledged=pl.lit(False),
            is_superseded=pl.col("number") == 2,
            detected_at=moment,
        )
    elif model is MLRecommendation:
        rows = rows.with_columns(
            recommendation_type=_pick("PAUSE", "SCALE_UP", "CREATIVE_TEST"),
            priority=pl.lit(5) + 2 * pl.col("number"),
            blocked_by=_pick(None, None, "learning"),
            expires_at=pl.when(pl.col("number") == 1).then(pl.lit(LONG_AGO)).otherwise(pl.lit(FAR_AHEAD)),
            reasoning=pl.lit(json.dumps({"rule": "x", "why": ["It costs too much."]})),
            created_at=moment,
        )
    else:
        rows = rows.with_columns(
            target_metric=_pick("leads", "spend", "leads"),
            horizon_days=pl.lit(2),
            method=_pick("smoothing", "smoothing", "theta"),
            total_value=pl.lit(3.0),
            created_at=moment,
        )
    return rows.drop("number").with_columns(row_ids(rows, table.name))


def insert_results(connection: sa.Connection, model: type[Base], keyed: pl.DataFrame) -> pl.DataFrame:
    """Insert rows of a table, with the points of forecasts; returns them."""
    rows = rows_of(model, keyed)
    insert_frame(connection, table_of(model), rows)
    if model is MLForecast:
        points = rows.join(pl.DataFrame({"ahead": [1, 2]}), how="cross").select(
            forecast_id="id",
            target_date=pl.col("forecast_date") + pl.duration(days="ahead"),
            predicted_value=pl.col("ahead").cast(pl.Float64),
        )
        # The later day first, so that the order of answers is not that of the rows.
        insert_frame(connection, table_of(MLForecastPoint), points.reverse())
    return rows


def _legacy(model: type[Base]) -> dict[str, Any]:
    """A row of a campaign of account 1 with nothing but what may not be null."""
    further = {
        MLAnomaly: {"metric_name": "cpl", "anomaly_type": "CPL_SPIKE"},
        MLRecommendation: {"recommendation_type": "PAUSE"},
        MLForecast: {"target_metric": "cpl", "horizon_days": 7},
    }
    table = table_of(model)
    nothing: dict[str, Any] = {
        column.name: None
        for column in table.c
        if column.nullable and column.name not in {"is_acknowledged", "is_superseded"}
    }
    key = {
        "id": f"{LEGACY}-{table.name}",
        "config_id": 1,
        "entity_id": LEGACY,
        DATE_COLUMNS[table.name]: LAST_DAY,
    }
    return {**nothing, **key, **further.get(model, {})}


def fill(engine: sa.Engine) -> None:
    """Insert everything."""
    with engine.begin() as connection:
        for number, name in ((1, "Alpha"), (2, "Beta")):
            info = AccountInfo(str(number), name, "BRL", "America/Sao_Paulo", ("lead",), 40.0)
            assert add_account(connection, info, {"kind": "synthetic", "access_token": SECRET}) == number
        one_day = keys([FIRST_DAY]).drop("date", "number")
        campaign = pl.col("entity_type") == "campaign"
        entities = one_day.with_columns(
            name=pl.format("Entity {}", "entity_id"),
            effective_status=pl.when(pl.col("entity_id").str.ends_with("0"))
            .then(pl.lit("PAUSED"))
            .otherwise(pl.lit("ACTIVE")),
            campaign_id=pl.when(campaign).then("entity_id"),
            daily_budget=pl.when(pl.col("entity_type") != "ad").then(50.25),
            targeting=pl.when(pl.col("entity_type") == "adset").then(pl.lit('{"age_min": 25}')),
        )
        upsert_entities(connection, fill_missing(entities, ENTITIES), READ_AT)
        figures = keys(DAYS).filter(campaign).drop("parent_id", "number")
        known = figures.with_columns(window_days=pl.lit(1), known_at=pl.lit(READ_AT), spend=pl.lit(10.0))
        append_insights(connection, fill_missing(known, INSIGHTS))
        incidents = [(OPEN_INCIDENT, "open"), (CLOSED_INCIDENT, "closed")]
        for incident_id, status in incidents:
            connection.execute(
                sa.insert(table_of(MLIncident)).values(
                    id=incident_id, incident_id=incident_id, config_id=1, entity_type="campaign",
                    entity_id=status, kind="CPM_SPIKE", onset_date=FIRST_DAY, status=status,
                )
            )  # fmt: skip
        for model in RESULTS.values():
            insert_results(connection, model, keys(DAYS))
            connection.execute(sa.insert(table_of(model)).values(**_legacy(model)))


class Api:
    """The API over HTTP."""

    def __init__(self, url: str, secret: str | None = None) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        if secret is not None:
            self.session.headers["Authorization"] = f"Bearer {secret}"

    def answer(self, path: str, /, **query: Any) -> requests.Response:
        """What a GET answers; `from_` stands for `from`."""
        named = {name.rstrip("_"): value for name, value in query.items()}
        return self.session.get(f"{self.url}{PREFIX}/{path}", params=named, timeout=30)

    def get(self, path: str, /, **query: Any) -> dict[str, Any]:
        """The document of a GET that has to answer 200."""
        answer = self.answer(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def items(self, path: str, /, **query: Any) -> list[dict[str, Any]]:
        """All items of a list, which has to fit on one page."""
        document = self.get(path, limit=500, **query)
        assert document["next_cursor"] is None
        return document["items"]

    def refusal(self, path: str, status: int, /, **query: Any) -> str:
        """What a GET that is refused with `status` says."""
        answer = self.answer(path, **query)
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        return answer.json()["detail"]


@contextmanager
def api_over(engine: sa.Engine, secret: str | None = None) -> Iterator[Api]:
    """The API of this database on a real server, without a rate limit."""
    context = Context(engine, TokenCache(engine), RateLimiter(0.0, 0.0), is_open_allowed=True)
    try:
        with serving(create_app(context)) as url:
            api = Api(url, secret)
            yield api
            api.session.close()
    finally:
        context.close()
