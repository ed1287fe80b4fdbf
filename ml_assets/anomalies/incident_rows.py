"""Incidents as rows, with what they are made of: metrics, rate and mix, children, the series of the root."""

import json
import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ml_assets.anomalies.expectation import CPL, MODELS
from ml_assets.anomalies.explain_change import fewest_explaining
from ml_assets.anomalies.frames import ACCOUNT, INCIDENTS
from ml_assets.anomalies.gates import rate_share
from ml_assets.anomalies.incidents import Incident
from ml_assets.anomalies.likelihood import Tested
from ml_assets.anomalies.panel import STEPS, Panel
from ml_assets.anomalies.units import in_unit
from ml_assets.anomalies.walk import Day
from ml_assets.entities import EntityType
from ml_assets.features.grid import IntArray
from ml_assets.frames import conform

NAMESPACE = uuid.UUID("6f1d6a52-3f2c-5f0a-9d0e-8a8f1b6f2c11")
SEPARATOR = "\x1f"
"""As every id of the project: the UUIDv5 of the parts of its key."""

MOVED = 1.5
"""Standard deviations from which an entity counts as affected."""

MOST_SHARES = 10
POINT = ("observed", "expected", "lower", "upper")


@dataclass(frozen=True)
class Snapshot:
    """What a plot of a day needs, of every metric and step: observed, expected, deviation, exposure."""

    day: int
    figures: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]]
    is_log: dict[str, bool]


def snapshot(day: int, told: Day) -> Snapshot:
    """The day in half the memory."""
    return Snapshot(
        day,
        {
            metric: [
                tuple(
                    values.astype(np.float32)
                    for values in (test.observed, test.expected, test.deviation, test.exposure)
                )
                for test in tests
            ]
            for metric, tests in told.items()
        },  # type: ignore[arg-type]
        {metric: tests[0].is_log for metric, tests in told.items()},
    )


def members(panel: Panel, incident: Incident, index: int) -> IntArray:
    """Rows of a step that are the root, lie below it or above it."""
    if index < incident.step:
        row = incident.row
        for step in range(incident.step, index, -1):
            row = int(panel.steps[step].parent.index[row])
        return np.array([row])
    rows = np.array([incident.row])
    for step in range(incident.step + 1, index + 1):
        inside = np.zeros(panel.steps[step - 1].height, dtype=bool)
        inside[rows] = True
        rows = np.flatnonzero(inside[panel.steps[step].parent.index])
    return rows


def incident_id(panel: Panel, incident: Incident) -> str:
    """UUIDv5 of account, root, kind and onset."""
    step = panel.steps[incident.step]
    root = step.keys.row(incident.row, named=True)
    account = panel.accounts.row(incident.account, named=True)["account_id"]
    onset = panel.date(incident.onset).isoformat()
    parts = ("incident", str(account), step.name, root["entity_id"], incident.kind, onset)
    return str(uuid.uuid5(NAMESPACE, SEPARATOR.join(parts)))


def incident_rows(
    panel: Panel,
    day: int,
    told: Day,
    present: Sequence[Incident],
    entity_type: EntityType,
    past: Sequence[Snapshot],
) -> pl.DataFrame:
    """INCIDENTS rooted at a level as of a day; the account's stand with the campaigns."""
    steps = {STEPS.index(entity_type.value)}
    if entity_type is EntityType.CAMPAIGN:
        steps.add(STEPS.index(ACCOUNT))
    rooted = [incident for incident in present if incident.step in steps]
    rates = {
        (metric, step): rate_share(panel, told[metric], step)
        for metric, step in {(item.metric, item.step) for item in rooted}
        if metric != "spend"
    }
    rows: list[dict[str, Any]] = []
    for incident, series in zip(rooted, _all_series(panel, rooted, past), strict=True):
        rate = rates.get((incident.metric, incident.step))
        share = None if rate is None else _number(rate[incident.row])
        step = panel.steps[incident.step]
        rows.append(
            {
                **step.keys.select("config_id", "entity_id", "parent_id").row(incident.row, named=True),
                "entity_type": step.name,
                "kind": incident.kind,
                "onset_date": panel.date(incident.onset),
                "evaluated_date": panel.date(day),
                "incident_id": incident_id(panel, incident),
                "last_date": panel.date(incident.last),
                "status": "open" if incident.closed is None else "closed",
                "severity": incident.severity,
                "money": incident.money,
                "alert_rank": incident.rank,
                "verdict": "EXTERNAL" if step.name == ACCOUNT else "ENTITY",
                "description": None,
                "attribution": json.dumps(_attribution(panel, day, told, incident, series, share)),
            }
        )
    return conform(pl.DataFrame(rows, schema=dict(INCIDENTS)), INCIDENTS, "incidents")


def _attribution(
    panel: Panel, day: int, told: Day, incident: Incident, series: list[dict[str, Any]], rate: float | None
) -> dict[str, Any]:
    """What the incident is made of as of the day; numbers that are not known are null."""
    shown = _shown(incident)
    today = next((point for point in reversed(series) if point["date"] == panel.date(day).isoformat()), {})
    flip = -1 if shown == CPL.name else 1
    tests = told[incident.metric]
    return {
        "metric": shown,
        "direction": "up" if flip * incident.sign > 0 else "down",
        "observed": today.get("observed"),
        "expected": today.get("expected"),
        "ratio": _divided(today.get("observed"), today.get("expected")),
        "money_today": _number(incident.money_today),
        "leads_today": _number(incident.leads_today),
        "since": panel.date(incident.onset).isoformat(),
        "metrics": {
            model.name: _log_ratio(told[model.name][incident.step], incident.row, model.name)
            for model in MODELS
        },
        "rate_mix": None if rate is None else {"rate": rate, "mix": 1.0 - rate},
        "shares": _shares(panel, tests, incident),
        "affected": _affected(panel, tests, incident),
        "explained_by": None,
        "is_provisional": bool(panel.share[incident.account, day] < 1.0),
        "merged_into": None if incident.merged_into is None else incident_id(panel, incident.merged_into),
        "series": series,
    }


def _all_series(
    panel: Panel, incidents: Sequence[Incident], past: Sequence[Snapshot]
) -> list[list[dict[str, Any]]]:
    """The series of each incident's root, days in order."""
    found: list[list[dict[str, Any]]] = [[] for _ in incidents]
    groups: dict[tuple[str, str, int], list[int]] = {}
    for number, item in enumerate(incidents):
        groups.setdefault((item.metric, _shown(item), item.step), []).append(number)
    for (metric, shown, step), numbers in groups.items():
        rows = np.array([incidents[number].row for number in numbers])
        for item in past:
            figures = [values[rows].astype(np.float64) for values in item.figures[metric][step]]
            unit = [values.tolist() for values in in_unit(shown, *figures, is_log=item.is_log[metric])]
            date = panel.date(item.day).isoformat()
            for number, *values in zip(numbers, *unit, strict=True):
                found[number].append({"date": date} | dict(zip(POINT, map(_number, values), strict=True)))
    return found


def _shown(incident: Incident) -> str:
    """The metric an incident is shown in."""
    return "leads" if incident.kind == "TRACKING_BREAK" else incident.metric


def _number(value: Any) -> float | None:  # noqa: ANN401 - of numpy or of Python
    return round(float(value), 6) if value is not None and math.isfinite(value) else None


def _divided(value: float | None, by: float | None) -> float | None:
    return None if value is None or not by else _number(value / by)


def _log_ratio(tested: Tested, row: int, metric: str) -> float | None:
    """Log of observed over expected, of the metric as people read it; null where not tested."""
    if not tested.is_tested[row]:
        return None
    half = 0.0 if tested.is_log else 0.5
    with np.errstate(divide="ignore"):
        ratio = np.log((tested.observed[row] + half) / (tested.expected[row] + half))
    return _number(-ratio if metric == CPL.name else ratio)


def _shares(panel: Panel, tests: list[Tested], incident: Incident) -> list[dict[str, Any]]:
    """The children by their share of the root's change, largest first, and the fewest that explain it."""
    if incident.step + 1 == len(panel.steps):
        return []
    rows = members(panel, incident, incident.step + 1)
    below = tests[incident.step + 1]
    rows = rows[below.is_tested[rows]]
    change = below.observed[rows] - below.expected[rows]
    whole = change.sum()
    if not rows.size or whole == 0:
        return []
    step = panel.steps[incident.step + 1]
    share = change / whole
    is_cause = fewest_explaining(share, np.zeros(share.size, dtype=np.int64))
    ids = step.keys["entity_id"]
    return [
        {
            "entity_type": step.name,
            "entity_id": ids[int(rows[i])],
            "share": _number(share[i]),
            "is_cause": bool(is_cause[i]),
        }
        for i in np.argsort(-share, kind="stable")[:MOST_SHARES]
    ]


def _affected(panel: Panel, tests: list[Tested], incident: Incident) -> int:
    """How many entities from the root down moved its way."""
    count = 0
    for index in range(incident.step, len(panel.steps)):
        rows = members(panel, incident, index)
        count += int((incident.sign * tests[index].score[rows] >= MOVED).sum())
    return count
