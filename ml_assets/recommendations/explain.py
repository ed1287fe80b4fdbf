"""Why and why not: what every rule says of some entities on a date, and how much more data would decide."""

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.special import gammainc, gammaincc

from ml_assets.entities import EntityType
from ml_assets.features.estimates import estimate, grid_for
from ml_assets.features.grid import FloatArray, as_known_then
from ml_assets.frames import KEY, Schema, conform, empty
from ml_assets.recommendations.chains import chains
from ml_assets.recommendations.decide import decide
from ml_assets.recommendations.evidence import gather
from ml_assets.recommendations.inputs import DecisionInputs
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.rules import needs_cpl
from ml_assets.recommendations.standing import Judged, Window, judge
from ml_assets.recommendations.states import states

EXPLANATIONS: Schema = {
    **KEY,
    "recommendation_type": pl.String(),
    "rule": pl.String(),
    "probability": pl.Float64(),
    "enters_at": pl.Float64(),
    "withdraws_below": pl.Float64(),
    "is_met": pl.Boolean(),  # all that is needed to come into force on this date
    "is_in_force": pl.Boolean(),
    "blocked_by": pl.String(),
    "plan_reason": pl.String(),
    "condition": pl.String(),  # first one that fails; null where none does
    "needs_leads": pl.Float64(),  # leads and spend at the present rate until it comes into force
    "needs_spend": pl.Float64(),
}
"""One row per entity and rule of its level."""

NOT_RUNNING, NOT_PAUSED, TOO_LITTLE, NOT_DELIVERED, UNSURE = (
    "not_running", "not_paused", "too_little_data", "no_delivery_today", "probability",
)  # fmt: skip
"""Conditions that every rule has, beside those it names itself."""

_STEPS = np.geomspace(0.25, 400.0, 80)
"""Further expected leads that are tried when asking how much more data would decide."""


def explain(
    inputs: DecisionInputs,
    entity_type: EntityType,
    date: dt.date,
    entity_ids: Sequence[str],
    policy: Policy | None = None,
) -> pl.DataFrame:
    """What every rule says of the entities on the date, in `EXPLANATIONS`, in the order of the rules.

    Entities that are not known on the date have no rows.
    """
    policy = policy or Policy()
    chain = chains([date])[0]
    tree = grid_for(inputs.figures, entity_type, chain.dates)
    keys = tree.levels[entity_type].keys
    if not keys["entity_id"].is_in(list(entity_ids)).any():
        return empty(EXPLANATIONS)
    tree = as_known_then(tree, inputs.revisions, len(chain.dates))
    known = estimate(inputs.figures, entity_type, chain.dates, tree=tree)
    state = states(inputs.figures, tree, chain.dates)
    evidence = gather(inputs.figures, known, entity_type, chain.dates, policy, state, entity_ids)
    last = len(chain.dates) - 1
    window = Window(0, len(chain.dates), (last,))
    asked = np.flatnonzero(keys["entity_id"].gather(evidence.rows).is_in(list(entity_ids)).to_numpy())
    today = evidence.frame[asked * len(chain.dates) + last]
    rows = pl.concat(
        _of_rule(item, today, asked, window, policy) for item in judge(evidence, entity_type, policy)
    )
    decided = decide(inputs, entity_type, [date], policy).select(
        "config_id", "entity_id", "recommendation_type", "blocked_by", "plan_reason"
    )
    return conform(
        rows.with_columns(entity_type=pl.lit(entity_type.value)).join(
            decided, on=["config_id", "entity_id", "recommendation_type"], how="left", maintain_order="left"
        ),
        EXPLANATIONS,
    )


def _of_rule(
    item: Judged, today: pl.DataFrame, asked: np.ndarray, window: Window, policy: Policy
) -> pl.DataFrame:
    last = window.end - 1
    verdict = item.rule.judge(policy)
    paused = item.rule.is_of_paused
    hurdles = {
        (NOT_PAUSED if paused else NOT_RUNNING): pl.col("is_paused")
        if paused
        else pl.col("is_active") & pl.col("recently"),
        **({TOO_LITTLE: pl.col("judged")} if needs_cpl(item.rule) else {}),
        UNSURE: verdict.probability >= verdict.enters_at,
        **{condition.name: condition.holds for condition in verdict.conditions},
        **({} if paused else {NOT_DELIVERED: pl.col("delivered")}),
    }
    fails = pl.coalesce(
        pl.when(~holds.fill_null(value=False)).then(pl.lit(name)) for name, holds in hurdles.items()
    )
    leads, spend = _needs(item, today, policy)
    return today.select(
        "config_id",
        "entity_id",
        recommendation_type=pl.lit(item.rule.recommendation_type),
        rule=pl.lit(item.rule.name),
        probability=verdict.probability.cast(pl.Float64),
        enters_at=pl.lit(item.enters_at),
        withdraws_below=pl.lit(item.withdraws_below),
        is_met=pl.Series(item.enters[asked, last]),
        is_in_force=pl.Series(item.in_force(window)[asked, last]),
        condition=fails,
        needs_leads=pl.Series(leads).fill_nan(None),
        needs_spend=pl.Series(spend).fill_nan(None),
    )


def _needs(item: Judged, today: pl.DataFrame, policy: Policy) -> tuple[FloatArray, FloatArray]:
    """Further leads and spend until the probability passes, if leads go on coming at the present rate."""
    nothing = np.full(today.height, np.nan)
    if item.rule.name == "undecided":
        money = today["test_money"].cast(pl.Float64).to_numpy()
        return today["test_leads"].cast(pl.Float64).to_numpy(), money
    cheap = {"low_cpl": 1.0, "solid_cpl": 1.0, "cheap_but_small": policy.expansion_cpl}
    dear = {
        "hopeless_cpl": policy.pause_cpl,
        "high_cpl": policy.budget_decrease_cpl,
        "dear_though_clicked": policy.narrowing_cpl,
    }
    name = item.rule.name
    if name not in cheap and name not in dear:
        return nothing, nothing
    shape, rate, widening, target = (
        today[column].cast(pl.Float64).to_numpy()[:, None]
        for column in ("shape", "rate", "dispersion", "target_cpl")
    )
    present = shape / rate
    then_shape, then_rate = shape + present * _STEPS / widening, rate + _STEPS / widening
    if name in cheap:
        probability = gammaincc(then_shape, then_rate / cheap[name])
    else:
        probability = gammainc(then_shape, then_rate / dear[name])
    enough = np.nan_to_num(probability) >= item.enters_at
    step = np.where(enough.any(axis=1), _STEPS[enough.argmax(axis=1)], np.nan)
    decided = (today.select(item.rule.judge(policy).probability.alias("p"))["p"] >= item.enters_at).to_numpy()
    step = np.where(decided, np.nan, step)
    return step * present[:, 0], step * target[:, 0]
