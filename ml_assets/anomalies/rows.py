"""What was found as rows: anomalies of a level, incidents with attribution, deviations for other voices.

Figures of rates are laid down in the rate's own unit: CPM, CTR, leads per click, cost per lead.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ml_assets.anomalies.expectation import CPL, MODELS
from ml_assets.anomalies.frames import ACCOUNT, ANOMALIES, INCIDENTS
from ml_assets.anomalies.gates import Gated, rate_share
from ml_assets.anomalies.incidents import GONE, Incident, severity_of
from ml_assets.anomalies.likelihood import BAND, Tested
from ml_assets.anomalies.multivariate import DEVIATIONS
from ml_assets.anomalies.panel import STEPS, Panel
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.anomalies.walk import Day
from ml_assets.entities import EntityType
from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.frames import conform

NAMESPACE = uuid.UUID("6f1d6a52-3f2c-5f0a-9d0e-8a8f1b6f2c11")
SEPARATOR = "\x1f"
"""As every id of the project: the UUIDv5 of the parts of its key."""

MEMBER = 1e-3
"""p-value up to which what lies below or above the root belongs to the incident."""

MOVED = 1.5
"""Standard deviations from which an entity counts as affected."""

MOST_SHARES = 10
FACTOR = {"cpm": 1000.0}


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


def in_unit(
    metric: str, observed: FloatArray, expected: FloatArray, deviation: FloatArray, exposure: FloatArray,
    *, is_log: bool,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Observed, expected, lower and upper end of the band in the unit of the metric; NaN where undefined."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if is_log:
            width = BAND * deviation / expected
            lower, upper = expected * np.exp(-width), expected * np.exp(width)
        else:
            lower = np.maximum(expected - BAND * deviation, 0.0)
            upper = expected + BAND * deviation
        if metric == CPL.name:
            values = (exposure / observed, exposure / expected, exposure / upper, exposure / lower)
        elif metric in ("spend", "leads"):
            values = (observed, expected, lower, upper)
        else:
            scale = FACTOR.get(metric, 1.0) / exposure
            values = (observed * scale, expected * scale, lower * scale, upper * scale)
    observed, expected, lower, upper = (np.where(np.isfinite(value), value, np.nan) for value in values)
    return observed, expected, lower, upper


def type_of(metric: str, sign: int, observed: FloatArray) -> np.ndarray:
    """The anomaly type of deviations in one metric and direction; `sign` is of the numerator."""
    if metric == CPL.name:
        sign = -sign
    plain = f"{metric.upper()}_{'SPIKE' if sign > 0 else 'DROP'}"
    if metric == "spend" and sign < 0:
        return np.where(observed <= 0, "ZERO_SPEND", plain)
    return np.full(observed.shape, plain)


def anomaly_rows(
    panel: Panel,
    day: int,
    told: Day,
    gated: dict[str, list[Gated]],
    present: Sequence[Incident],
    entity_type: EntityType,
    policy: AnomalyPolicy,
) -> pl.DataFrame:
    """ANOMALIES of a level on a day: what shows of the incidents that are open."""
    index = STEPS.index(entity_type.value)
    parts: list[pl.DataFrame] = [pl.DataFrame(schema=dict(ANOMALIES))]
    for incident in present:
        if not incident.shows or incident.merged_into is not None:
            continue
        members = _members(panel, incident, index)
        if not members.size:
            continue
        for model in MODELS:
            tested, gate = told[model.name][index], gated[model.name][index]
            own = model.name == incident.metric
            is_root = own & (members == incident.row) & (index == incident.step)
            sure = tested.is_tested[members] & (tested.p_value[members] <= MEMBER)
            along = sure & (np.sign(tested.score[members]) == incident.sign)
            cells = (along | is_root) if own else (gate.sign[members] != 0)
            parts.extend(
                _cells(
                    panel,
                    day,
                    told,
                    gated,
                    incident,
                    model.name,
                    index,
                    members[cells],
                    is_root[cells],
                    policy,
                )
            )
    rows = pl.concat(parts)
    # An entity that shows the same in two incidents shows it in the larger one.
    return rows.sort(
        "is_root_cause", "is_alert", "contribution", "incident_id", descending=[True, True, True, False],
        nulls_last=True,
    ).unique(
        ["config_id", "entity_type", "entity_id", "metric_name", "anomaly_type"],
        keep="first", maintain_order=True,
    ).sort("config_id", "entity_id", "metric_name", "anomaly_type")  # fmt: skip


def _members(panel: Panel, incident: Incident, index: int) -> IntArray:
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


def _cells(
    panel: Panel,
    day: int,
    told: Day,
    gated: dict[str, list[Gated]],
    incident: Incident,
    metric: str,
    index: int,
    rows: IntArray,
    is_root: np.ndarray,
    policy: AnomalyPolicy,
) -> list[pl.DataFrame]:
    """Rows of one incident and metric at the entities `rows` of a step."""
    if not rows.size:
        return []
    tested, step = told[metric][index], panel.steps[index]
    observed, expected = tested.observed[rows], tested.expected[rows]
    sign = np.sign(tested.score[rows]).astype(int)
    root = told[incident.metric][incident.step]
    whole = root.observed[incident.row] - root.expected[incident.row]
    share = (observed - expected) / whole if metric == incident.metric and index >= incident.step else np.nan
    stake = gated[metric][index].stake
    money = stake.money[rows] / stake.unit[rows]
    unit = in_unit(
        metric, observed, expected, tested.deviation[rows], tested.exposure[rows], is_log=tested.is_log
    )
    kinds = np.where(sign > 0, type_of(metric, 1, observed), type_of(metric, -1, observed))
    flip = -1 if metric == CPL.name else 1
    base = step.keys[rows].select(
        "config_id",
        "entity_id",
        "parent_id",
        entity_type=pl.lit(step.name),
        anomaly_date=pl.lit(panel.date(day)),
        p_value=pl.Series(tested.p_value[rows]),
        severity=pl.Series(
            [
                incident.severity if root else severity_of(at, policy)
                for at, root in zip(money, is_root, strict=True)
            ],
            dtype=pl.String,
        ),
        is_alert=pl.lit(incident.rank is not None),
        is_provisional=pl.Series(panel.share[step.account[rows], day] < 1.0),
        incident_id=pl.lit(incident_id(panel, incident)),
        contribution=pl.Series(np.broadcast_to(share, rows.shape).astype(np.float64)).fill_nan(None),
    )
    main = _valued(base, metric, kinds, unit, flip * tested.score[rows], is_root)
    leads = in_unit("leads", observed, expected, tested.deviation[rows], tested.exposure[rows], is_log=False)
    if incident.metric == metric and incident.cause == "leads" and incident.sign < 0:
        broke = incident.kind == "TRACKING_BREAK"
        gone = observed <= GONE * expected if broke else np.zeros(rows.size, dtype=bool)
        kinds = np.where(gone, "TRACKING_BREAK", "LEADS_DROP")
        counted = _valued(base, "leads", kinds, leads, tested.score[rows], is_root & broke)
        if broke:
            main = main.with_columns(is_root_cause=pl.lit(value=False))
        return [main, counted]
    if metric == "spend" and incident.sign < 0:
        shown = np.asarray(step.figures["impressions"][rows, day] <= 0)
        before = step.figures["impressions"][rows, max(day - 7, 0) : day].mean(axis=1)
        none = np.full(rows.size, np.nan)
        zero, kinds = np.zeros(rows.size), np.full(rows.size, "ZERO_IMPRESSIONS")
        silent = _valued(base, "impressions", kinds, (zero, before, none, none), tested.score[rows], zero > 0)
        return [main, silent.filter(pl.Series(shown))]
    return [main]


def _valued(
    base: pl.DataFrame,
    metric: str,
    kinds: np.ndarray,
    unit: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    score: FloatArray,
    is_root: np.ndarray,
) -> pl.DataFrame:
    observed, expected, lower, upper = unit
    frame = base.with_columns(
        metric_name=pl.lit(metric),
        anomaly_type=pl.Series(kinds.astype(str)),
        observed_value=pl.Series(observed).fill_nan(None),
        expected_value=pl.Series(expected).fill_nan(None),
        lower_value=pl.Series(lower).fill_nan(None),
        upper_value=pl.Series(upper).fill_nan(None),
        deviation_score=pl.Series(score).fill_nan(None),
        direction=pl.Series(np.where(score > 0, "up", "down").astype(str)),
        is_root_cause=pl.Series(is_root),
        description=pl.lit(None, pl.String),
        detected_at=pl.lit(None),
    )
    return conform(frame, ANOMALIES, "anomalies")


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
    rows: list[dict[str, Any]] = []
    for incident in present:
        if incident.step not in steps:
            continue
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
                "attribution": json.dumps(_attribution(panel, day, told, incident, past)),
            }
        )
    return conform(pl.DataFrame(rows, schema=dict(INCIDENTS)), INCIDENTS, "incidents")


def _attribution(
    panel: Panel, day: int, told: Day, incident: Incident, past: Sequence[Snapshot]
) -> dict[str, Any]:
    """What the incident is made of as of the day; numbers that are not known are null."""
    shown = "leads" if incident.kind == "TRACKING_BREAK" else incident.metric
    series = [_point(panel, item, incident, shown) for item in past]
    today = next((point for point in reversed(series) if point["date"] == panel.date(day).isoformat()), {})
    flip = -1 if shown == CPL.name else 1
    tests = told[incident.metric]
    rate = (
        None if incident.metric == "spend" else _number(rate_share(panel, tests, incident.step)[incident.row])
    )
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


def _point(panel: Panel, item: Snapshot, incident: Incident, shown: str) -> dict[str, Any]:
    figures = item.figures[incident.metric][incident.step]
    one = [values[incident.row : incident.row + 1].astype(np.float64) for values in figures]
    unit = in_unit(shown, *one, is_log=item.is_log[incident.metric])
    observed, expected, lower, upper = (_number(values[0]) for values in unit)
    date = panel.date(item.day).isoformat()
    return {"date": date, "observed": observed, "expected": expected, "lower": lower, "upper": upper}


def _number(value: Any) -> float | None:  # noqa: ANN401 - of numpy or of Python
    return float(np.round(value, 6)) if value is not None and np.isfinite(value) else None


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
    """The children by their share of the root's change, largest first."""
    if incident.step + 1 == len(panel.steps):
        return []
    rows = _members(panel, incident, incident.step + 1)
    below = tests[incident.step + 1]
    rows = rows[below.is_tested[rows]]
    change = below.observed[rows] - below.expected[rows]
    whole = change.sum()
    if not rows.size or whole == 0:
        return []
    step = panel.steps[incident.step + 1]
    first = np.argsort(-change / whole, kind="stable")[:MOST_SHARES]
    ids = step.keys["entity_id"]
    return [
        {"entity_type": step.name, "entity_id": ids[int(rows[i])], "share": _number(change[i] / whole)}
        for i in first
    ]


def _affected(panel: Panel, tests: list[Tested], incident: Incident) -> int:
    """How many entities from the root down moved its way."""
    count = 0
    for index in range(incident.step, len(panel.steps)):
        rows = _members(panel, incident, index)
        count += int((incident.sign * tests[index].score[rows] >= MOVED).sum())
    return count


def deviations(
    panel: Panel, day: int, told: Day, gated: dict[str, list[Gated]], entity_type: EntityType
) -> pl.DataFrame:
    """How far every tested entity of a level is off: what the multivariate voice listens to."""
    index = STEPS.index(entity_type.value)
    step = panel.steps[index]
    columns: dict[str, np.ndarray] = {}
    p_value = np.ones(step.height)
    money = np.zeros(step.height)
    for model in MODELS:
        tested = told[model.name][index]
        flip = -1.0 if model is CPL else 1.0
        half = 0.0 if tested.is_log else 0.5
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log((tested.observed + half) / (tested.expected + half))
        known = tested.is_tested & np.isfinite(ratio)
        columns[f"{model.name}_log_ratio"] = np.where(known, flip * ratio, np.nan)
        columns[f"{model.name}_z"] = np.where(known, flip * tested.score, np.nan)
        p_value = np.where(tested.is_tested, np.minimum(p_value, tested.p_value), p_value)
        money = np.maximum(money, np.where(tested.is_tested, gated[model.name][index].stake.money, 0.0))
    is_any = np.logical_or.reduce([told[model.name][index].is_tested for model in MODELS])
    return (
        step.keys.select("config_id", "entity_id", "parent_id")
        .with_columns(
            pl.lit(step.name).alias("entity_type"),
            pl.lit(panel.date(day)).alias("date"),
            *(pl.Series(name, values).fill_nan(None) for name, values in columns.items()),
            pl.Series("money", money),
            pl.Series("p_value", p_value),
        )
        .filter(pl.Series(is_any))
        .select(DEVIATIONS.keys())
    )
