"""The JSON documents of a recommendation: suggested action, reasoning, expected impact."""

from collections.abc import Mapping

import polars as pl

from ml_assets.recommendations.frames import DECISIONS, GUARDS
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.words.values import has_known_budget

ACTIONS: Mapping[str, str] = {
    "PAUSE": "pause",
    "BUDGET_DECREASE": "set_daily_budget",
    "SCALE_UP": "set_daily_budget",
    "BUDGET_INCREASE": "set_daily_budget",
    "REACTIVATE": "reactivate",
    "AUDIENCE_REVIEW": "review_audience",
    "AUDIENCE_EXPANSION": "expand_audience",
    "AUDIENCE_NARROWING": "narrow_audience",
    "CREATIVE_REFRESH": "refresh_creative",
    "CREATIVE_TEST": "test_creative",
    "CREATIVE_WINNER": "shift_spend_to_winner",
}
"""Type -> what a program would do; the SCALE_UP of an ad is `make_room`."""

INPUTS = (
    "target_cpl", "cpl", "cpl_lo_80", "cpl_hi_80", "days", "leads", "expected_leads", "spend", "spend_7d",
    "maturity", "delivery_days_14d", "siblings", "siblings_cpl", "utilisation", "frequency",
    "fatigue_score", "fatigue_verdict", "overlap", "overlap_with", "lead_rate_change", "ctr_change",
    "ctr_vs_parent", "cvr_vs_parent", "share_of_parent_spend", "paused_days", "rival_id", "test_leads",
    "test_money",
)  # fmt: skip
"""Columns of DECISIONS that a decision may rest on, as they stand in `reasoning.inputs` where known."""

_DIGITS = 12
"""Significant digits kept: no more than a float is good for."""


def suggested_action() -> pl.Expr:
    """{"action", "entity_type", "entity_id"}; change, from and to of a budget; against of a test."""
    kind = pl.col("recommendation_type")
    action = kind.replace_strict(list(ACTIONS), list(ACTIONS.values()), default=None, return_dtype=pl.String)
    is_room = (kind == "SCALE_UP") & (pl.col("entity_type") == "ad")
    has_budget = (action == "set_daily_budget") & ~is_room
    return _object(
        {
            "action": _text(pl.when(is_room).then(pl.lit("make_room")).otherwise(action)),
            "entity_type": _value("entity_type"),
            "entity_id": _value("entity_id"),
            "from": pl.when(has_budget & has_known_budget()).then(_value("budget")),
            "to": pl.when(has_budget & has_known_budget()).then(_value("budget_after")),
            "change": pl.when(has_budget).then(_value("step")),
            "against": pl.when(kind == "CREATIVE_TEST").then(_value("rival_id")),
        }
    )


def reasoning(policy: Policy) -> pl.Expr:
    """Why it was decided so, for a program: rule, probability, thresholds, inputs, guards.

    Keys are always there, null where they do not apply; within `inputs`, `above` and `would_change_our_mind`
    what is not known is left out.
    """
    return _object(
        {
            "rule": _value("rule"),
            "probability": _or_null(_value("probability")),
            "thresholds": _object(
                {name: _or_null(_value(name)) for name in ("enters_at", "withdraws_below")}
            ),
            "inputs": _object({name: _value(name) for name in INPUTS}),
            "tier": _or_null(_text(pl.col("tier"))),
            "tier_confidence": _or_null(_number(pl.col("tier_confidence"))),
            "guards_passed": _guards_passed(),
            "blocked_by": _or_null(_value("blocked_by")),
            "plan_reason": _or_null(_value("plan_reason")),
            "above": _or_null(
                pl.when(pl.col("above_id").is_not_null()).then(
                    _object(
                        {
                            "entity_type": _value("above_type"),
                            "entity_id": _value("above_id"),
                            "action": _value("above_action"),
                        }
                    )
                )
            ),
            "would_change_our_mind": _object(
                {
                    "probability_below": _value("withdraws_below"),
                    "leads_without_spend": _value("turn_leads"),
                    "spend_without_leads": _value("turn_spend"),
                }
            ),
            "policy_version": _text(pl.lit(policy.version)),
            "first_date": _or_null(_text(pl.col("first_date").dt.strftime("%Y-%m-%d"))),
        }
    )


def expected_impact() -> pl.Expr:
    """Changes a week against going on as now, each with `value`, `lo_80` and `hi_80`; what is unknown is out.

    `cpl` is the CPL of the entity after the change; spend is set, not estimated, and has no interval.
    """
    kinds = {
        "leads_per_week": ("leads_per_week", "leads_lo_80", "leads_hi_80"),
        "spend_per_week": ("spend_per_week",),
        "money_per_week": ("money_per_week", "money_lo_80", "money_hi_80"),
        "cpl": ("cpl_after", "cpl_after_lo_80", "cpl_after_hi_80"),
    }
    fields = {
        name: pl.when(pl.col(columns[0]).is_not_null()).then(
            _object(dict(zip(("value", "lo_80", "hi_80"), map(_value, columns), strict=False)))
        )
        for name, columns in kinds.items()
    }
    return _object({**fields, "currency": _or_null(_text(pl.col("currency")))})


def _object(fields: Mapping[str, pl.Expr]) -> pl.Expr:
    """A JSON object of texts that are JSON already; a key whose text is null is left out."""
    inside = pl.concat_str(
        [pl.lit(f'"{name}":') + text for name, text in fields.items()], separator=",", ignore_nulls=True
    )
    return pl.lit("{") + inside + "}"


def _value(column: str) -> pl.Expr:
    """A column of DECISIONS as JSON; null stays null."""
    dtype = DECISIONS[column]
    return _number(pl.col(column)) if dtype.is_numeric() else _text(pl.col(column))


def _number(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Float64).round_sig_figs(_DIGITS).cast(pl.String).str.strip_suffix(".0")


def _text(value: pl.Expr) -> pl.Expr:
    """A text quoted and escaped."""
    return pl.when(value.is_not_null()).then(
        pl.struct(v=value).struct.json_encode().str.strip_prefix('{"v":').str.strip_suffix("}")
    )


def _or_null(text: pl.Expr) -> pl.Expr:
    return text.fill_null("null")


def _guards_passed() -> pl.Expr:
    """The guards asked before the one that blocked; all of them where none did."""
    passed = {guard: _list(GUARDS[:index]) for index, guard in enumerate(GUARDS)}
    return (
        pl.col("blocked_by")
        .replace_strict(list(passed), list(passed.values()), default=None, return_dtype=pl.String)
        .fill_null(_list(GUARDS))
    )


def _list(names: tuple[str, ...]) -> str:
    return "[" + ",".join(f'"{name}"' for name in names) + "]"
