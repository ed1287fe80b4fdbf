"""Incidents and anomalies as detection makes them, for tests of what is said and drawn of them."""

import datetime as dt
import json
import uuid
from typing import Any

import polars as pl

from ml_assets.anomalies.frames import ACCOUNT, ANOMALIES, INCIDENTS
from ml_assets.frames import ACCOUNTS
from ml_assets_tests.features.frames_made import frame

ONSET = dt.date(2026, 6, 3)
TODAY = dt.date(2026, 6, 7)
DAYS = 28

NORMAL = {
    "spend": 420.0,
    "impressions": 16_600.0,
    "clicks": 260.0,
    "leads": 14.2,
    "cpm": 25.4,
    "ctr": 0.0156,
    "cvr": 0.0546,
    "cpl": 29.6,
    "frequency": 2.1,
}
"""Values of the metrics on an ordinary day."""

NAMES = pl.DataFrame(
    [
        (1, "campaign", "120001", "Leads [cold]"),
        (1, "campaign", "120002", "Retargeting"),
        (1, "adset", "130001", "Lookalike 2 %"),
        (1, "adset", "130002", "Interests"),
        (1, "ad", "140001", "Reel | hook"),
        (1, "ad", "140002", "Carousel"),
        (1, "ad", "140003", "Photo"),
    ],
    schema=["config_id", "entity_type", "entity_id", "name"],
    orient="row",
)
IDS = {ACCOUNT: "555001", "campaign": "120001", "adset": "130001", "ad": "140001"}
PARENTS = {"adset": "120001", "ad": "130001"}
CHILDREN = {
    ACCOUNT: [("campaign", "120001"), ("campaign", "120002")],
    "campaign": [("adset", "130001"), ("adset", "130002")],
    "adset": [("ad", "140001"), ("ad", "140002"), ("ad", "140003")],
    "ad": [],
}
CURRENCIES = frame([{"config_id": 1, "name": "Clinic", "currency": "BRL", "timezone": "UTC"}], ACCOUNTS)


def metric_of(kind: str) -> str:
    """The metric in which detection finds a kind."""
    special = {
        "ZERO_SPEND": "spend",
        "ZERO_IMPRESSIONS": "impressions",
        "TRACKING_BREAK": "leads",
        "FREQUENCY_ALERT": "frequency",
        "REACH_SATURATION": "frequency",
        "PERFORMANCE_DROP": "multivariate",
        "PERFORMANCE_SPIKE": "multivariate",
        "DATA_QUALITY": "levels",
    }
    return special.get(kind) or kind.rpartition("_")[0].lower()


def ratio_of(kind: str) -> float:
    """How far a kind is from what is expected, when nothing else is said."""
    if kind.startswith("ZERO") or kind == "TRACKING_BREAK":
        return 0.0
    return 0.5 if kind.endswith("DROP") else 2.0


def attribution(
    kind: str, level: str, ratio: float | None = None, last: dt.date = TODAY, **other: Any
) -> dict[str, Any]:
    """The document of an incident that showed from `ONSET` to `last`, with a series up to `TODAY`."""
    metric = metric_of(kind)
    change = ratio_of(kind) if ratio is None else ratio
    expected = NORMAL.get(metric)
    series = [
        {
            "date": (day := TODAY - dt.timedelta(days=DAYS - 1 - index)).isoformat(),
            "observed": expected * (change if ONSET <= day <= last else 1 + 0.04 * ((index * 7) % 5 - 2)),
            "expected": expected,
            "lower": expected * 0.75,
            "upper": expected * 1.3,
        }
        for index in range(DAYS)
        if expected is not None
    ]
    shares = (0.55, 0.4, 0.05) if level == "adset" else (0.8, 0.2)
    return {
        "metric": metric,
        "direction": "up" if kind.endswith("SPIKE") else "down",
        "observed": None if expected is None else expected * change,
        "expected": expected,
        "ratio": change,
        "money_today": 57.5,
        "leads_today": 1.9,
        "since": ONSET.isoformat(),
        "metrics": None,
        "rate_mix": None,
        "shares": [
            {"entity_type": child, "entity_id": entity_id, "share": share}
            for (child, entity_id), share in zip(CHILDREN[level], shares, strict=False)
        ],
        "affected": 4,
        "explained_by": None,
        "series": series,
        **other,
    }


def incident(kind: str = "CPM_SPIKE", level: str = "adset", **other: Any) -> dict[str, Any]:
    """A row of INCIDENTS; `document` is merged into its attribution, `ratio` passed on to it."""
    last = other.get("last_date", TODAY)
    document = attribution(kind, level, other.pop("ratio", None), last, **other.pop("document", {}))
    return {
        "config_id": 1,
        "entity_type": level,
        "entity_id": IDS[level],
        "parent_id": PARENTS.get(level),
        "kind": kind,
        "onset_date": ONSET,
        "evaluated_date": TODAY,
        "last_date": TODAY,
        "incident_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {level}")),
        "status": "open",
        "severity": "HIGH",
        "money": 230.4,
        "alert_rank": 1,
        "verdict": "EXTERNAL" if level == ACCOUNT else "ENTITY",
        "description": None,
        "attribution": json.dumps(document),
        **other,
    }


def anomaly(kind: str = "CPM_SPIKE", level: str = "adset", **other: Any) -> dict[str, Any]:
    """A row of ANOMALIES on `TODAY`."""
    expected = NORMAL.get(metric_of(kind))
    band = {} if expected is None else {"lower_value": expected * 0.75, "upper_value": expected * 1.3}
    return {
        "config_id": 1,
        "entity_type": level,
        "entity_id": IDS[level],
        "parent_id": PARENTS.get(level),
        "anomaly_date": TODAY,
        "metric_name": metric_of(kind),
        "anomaly_type": kind,
        "observed_value": None if expected is None else expected * ratio_of(kind),
        "expected_value": expected,
        **band,
        **other,
    }


def incidents(*rows: dict[str, Any]) -> pl.DataFrame:
    """The rows as an INCIDENTS frame."""
    return frame(list(rows), INCIDENTS)


def anomalies(*rows: dict[str, Any]) -> pl.DataFrame:
    """The rows as an ANOMALIES frame."""
    return frame(list(rows), ANOMALIES)
