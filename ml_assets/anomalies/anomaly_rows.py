"""What shows of the incidents on a day as rows: one a metric and entity, for a whole level at once."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from ml_assets.anomalies.causes import GONE
from ml_assets.anomalies.expectation import CPL, MODELS
from ml_assets.anomalies.frames import ANOMALIES, SEVERITIES
from ml_assets.anomalies.gates import Gated
from ml_assets.anomalies.incident_rows import incident_id, members
from ml_assets.anomalies.incidents import Incident, severity_bars
from ml_assets.anomalies.panel import STEPS, Panel
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.anomalies.units import in_unit
from ml_assets.anomalies.walk import Day
from ml_assets.entities import EntityType
from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.frames import conform, empty

MEMBER = 1e-3
"""p-value up to which what lies below or above the root belongs to the incident."""

IMPRESSIONS_DAYS = 7
"""Days before whose mean is what was expected of the impressions of an entity that has none."""

Values = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


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
    """ANOMALIES of a level on a day: what shows of the incidents that are open.

    Of an incident's own metric everything from its root down, and above it, that moved its way for sure; of
    other metrics what passed the gates. `description` and `detected_at` are null.
    """
    index = STEPS.index(entity_type.value)
    shown = [item for item in present if item.shows and item.merged_into is None]
    inside = [members(panel, item, index) for item in shown]
    if not sum(rows.size for rows in inside):
        return empty(ANOMALIES)
    row = np.concatenate(inside)
    which = np.repeat(np.arange(len(shown)), [rows.size for rows in inside])
    sign = np.array([item.sign for item in shown])[which]
    root = np.array([item.row if item.step == index else -1 for item in shown])[which]
    parts: list[pl.DataFrame] = []
    for model in MODELS:
        tested, gate = told[model.name][index], gated[model.name][index]
        own = np.array([item.metric == model.name for item in shown])[which]
        is_root = own & (row == root)
        along = tested.is_tested[row] & (tested.p_value[row] <= MEMBER) & (np.sign(tested.score[row]) == sign)
        cells = np.flatnonzero(np.where(own, along | is_root, gate.sign[row] != 0))
        if cells.size:
            parts += _cells(
                panel,
                day,
                told,
                gated,
                shown,
                model.name,
                index,
                row[cells],
                which[cells],
                is_root[cells],
                policy,
            )
    rows = pl.concat([empty(ANOMALIES), *parts])
    # An entity that shows the same in two incidents shows it in the larger one.
    return rows.sort(
        "is_root_cause", "is_alert", "contribution", "incident_id", descending=[True, True, True, False],
        nulls_last=True,
    ).unique(
        ["config_id", "entity_type", "entity_id", "metric_name", "anomaly_type"],
        keep="first", maintain_order=True,
    ).sort("config_id", "entity_id", "metric_name", "anomaly_type")  # fmt: skip


def _cells(
    panel: Panel,
    day: int,
    told: Day,
    gated: dict[str, list[Gated]],
    incidents: Sequence[Incident],
    metric: str,
    index: int,
    rows: IntArray,
    which: IntArray,
    is_root: np.ndarray,
    policy: AnomalyPolicy,
) -> list[pl.DataFrame]:
    """Rows of one metric at the entities `rows` of a step, each part of the incident `which`."""
    tested, step = told[metric][index], panel.steps[index]
    observed, expected, deviation, exposure = (
        values[rows] for values in (tested.observed, tested.expected, tested.deviation, tested.exposure)
    )
    score = tested.score[rows]
    whole = np.array(
        [
            told[item.metric][item.step].observed[item.row] - told[item.metric][item.step].expected[item.row]
            if item.metric == metric and item.step <= index
            else np.nan
            for item in incidents
        ]
    )[which]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (observed - expected) / whole
    stake = gated[metric][index].stake
    own = np.searchsorted(severity_bars(policy), stake.money[rows] / stake.unit[rows], side="right")
    of_root = np.array([SEVERITIES.index(item.severity) for item in incidents])[which]
    base = step.keys[rows].select(
        "config_id",
        "entity_id",
        "parent_id",
        entity_type=pl.lit(step.name),
        anomaly_date=pl.lit(panel.date(day)),
        p_value=pl.Series(tested.p_value[rows]),
        severity=pl.Series(list(SEVERITIES)).gather(np.where(is_root, of_root, own)),
        is_alert=pl.Series(np.array([item.rank is not None for item in incidents])[which]),
        is_provisional=pl.Series(panel.share[step.account[rows], day] < 1.0),
        incident_id=pl.Series([incident_id(panel, item) for item in incidents]).gather(which),
        contribution=pl.Series(np.where(np.isfinite(share), share, np.nan)).fill_nan(None),
    )
    unit = in_unit(metric, observed, expected, deviation, exposure, is_log=tested.is_log)
    kinds = np.where(score > 0, type_of(metric, 1, observed), type_of(metric, -1, observed))
    fell = np.array([item.sign < 0 and item.metric == metric for item in incidents])[which]
    broke = np.array([item.kind == "TRACKING_BREAK" for item in incidents])[which] & fell
    flip = -1 if metric == CPL.name else 1
    found = [_valued(base, metric, kinds, unit, flip * score, is_root & ~broke)]
    if metric in ("cvr", CPL.name) and fell.any():
        counted = in_unit("leads", observed, expected, deviation, exposure, is_log=False)
        gone = broke & (is_root | (observed <= GONE * expected))
        names = np.where(gone, "TRACKING_BREAK", "LEADS_DROP")
        leads = _valued(base, "leads", names, counted, score, is_root & broke)
        found.append(leads.filter(pl.Series(fell)))
    if metric == "spend" and fell.any():
        impressions = step.figures["impressions"][rows]
        before = impressions[:, max(day - IMPRESSIONS_DAYS, 0) : day].mean(axis=1)
        none = np.full(rows.size, np.nan)
        silent = _valued(
            base,
            "impressions",
            np.full(rows.size, "ZERO_IMPRESSIONS"),
            (np.zeros(rows.size), before, none, none),
            score,
            np.zeros(rows.size, dtype=bool),
        )
        found.append(silent.filter(pl.Series(fell & (impressions[:, day] <= 0))))
    return found


def _valued(
    base: pl.DataFrame,
    metric: str,
    kinds: np.ndarray,
    unit: Values,
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
