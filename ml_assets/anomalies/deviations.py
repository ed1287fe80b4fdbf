"""How far every entity of a level is off on a day: what the multivariate voice listens to."""

import numpy as np
import polars as pl

from ml_assets.anomalies.expectation import CPL, MODELS
from ml_assets.anomalies.gates import Gated
from ml_assets.anomalies.multivariate import DEVIATIONS
from ml_assets.anomalies.panel import STEPS, Panel
from ml_assets.anomalies.walk import Day
from ml_assets.entities import EntityType


def deviations(
    panel: Panel, day: int, told: Day, gated: dict[str, list[Gated]], entity_type: EntityType
) -> pl.DataFrame:
    """DEVIATIONS of every entity of a level that was tested on the day."""
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
