"""What people said of incidents, as detection learns from it: what to be silent about, what is normal now."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ml_assets.anomalies.causes import CAUSES, cause_of
from ml_assets.anomalies.panel import Panel
from ml_assets.anomalies.policy import AnomalyPolicy


@dataclass(frozen=True)
class Silence:
    """What people said of an incident: the like of it is not issued on the days [start, end]."""

    step: int
    row: int
    cause: str
    sign: int
    start: int
    end: int


def silences_of(panel: Panel, feedback: pl.DataFrame, policy: AnomalyPolicy) -> list[Silence]:
    """What must not be issued again, from INCIDENT_FEEDBACK: EXPECTED and FALSE_ALARM."""
    told = feedback.filter(pl.col("feedback").is_in(["EXPECTED", "FALSE_ALARM"]))
    return [
        Silence(step, row, cause, sign, last + 1, last + policy.quiet_after_expected)
        for step, row, cause, sign, last in _placed(panel, told)
    ]


def new_levels(panel: Panel, feedback: pl.DataFrame) -> dict[str, list[np.ndarray]]:
    """Metric -> per step the day after an incident that people called the new normal, or -1.

    It holds for the root and all below it, and for what the root is in, whose figures move with it.
    """
    told = feedback.filter(pl.col("feedback") == "NEW_NORMAL")
    days = {metric: [np.full(step.height, -1) for step in panel.steps] for metric in CAUSES}
    for root_step, root_row, cause, _, last in _placed(panel, told):
        inside = [np.zeros(step.height, dtype=bool) for step in panel.steps]
        inside[root_step][root_row] = True
        for index in range(root_step + 1, len(panel.steps)):
            inside[index] = inside[index - 1][panel.steps[index].parent.index]
        above = root_row
        for index in range(root_step, 0, -1):
            above = panel.steps[index].parent.index[above]
            inside[index - 1][above] = True
        for metric, of in CAUSES.items():
            if of == cause:
                for index, below in enumerate(inside):
                    days[metric][index][below] = last + 1
    return days


def _placed(panel: Panel, feedback: pl.DataFrame) -> list[tuple[int, int, str, int, int]]:
    """(step, row, cause, sign, last day) of each incident whose entity is in the panel."""
    found: list[tuple[int, int, str, int, int]] = []
    for index, step in enumerate(panel.steps):
        rows = step.keys.select("config_id", "entity_id", row=pl.int_range(pl.len()))
        placed = feedback.filter(pl.col("entity_type") == step.name).join(rows, on=["config_id", "entity_id"])
        for row, kind, last in placed.select("row", "kind", "last_date").iter_rows():
            cause, sign = cause_of(kind)
            found.append((index, row, cause, sign, panel.day(last)))
    return found
