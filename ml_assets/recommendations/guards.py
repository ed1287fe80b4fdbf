"""The guards that look at one recommendation at a time: what forbids acting on it now.

`cooldown`, `last_active_child` and `plan` depend on the others and on the days before; they are in `replay`.
A recommendation that was issued the day before is held to looser bounds (`Bounds`), so that a figure
that hovers around a bound does not give it, withdraw it and give it again.
"""

from dataclasses import dataclass

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.entity_state import decode_fields
from ml_assets.frames import KEY
from ml_assets.local_days import day_end, zones_of
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.rules import RULES

BUDGET_TYPES = ("SCALE_UP", "BUDGET_INCREASE", "BUDGET_DECREASE")
INCREASES = ("SCALE_UP", "BUDGET_INCREASE")

EDITED = (
    "status",
    "daily_budget",
    "lifetime_budget",
    "bid_strategy",
    "objective",
    "optimization_goal",
    "attribution_setting",
    "targeting",
)
"""Fields somebody edits; the others follow from edits elsewhere or from delivery."""

LOOK_BACK_DAYS = 14
"""Days over which the rise of a budget is limited."""

_ENTITY = list(KEY)


@dataclass(frozen=True)
class Bounds:
    """The bounds of the guards that have any."""

    maturity: float
    utilisation: float
    child_pause: float
    worst: float
    learning_factor: float

    @classmethod
    def of_new(cls, policy: Policy) -> "Bounds":
        """For what is not issued yet."""
        return cls(
            maturity=policy.maturity,
            utilisation=policy.utilisation,
            child_pause=policy.child_pause,
            worst=policy.pause_worst,
            learning_factor=policy.learning_factor,
        )

    @classmethod
    def of_standing(cls, policy: Policy) -> "Bounds":
        """For what was issued the day before: probabilities as rules have them, the rest a tenth looser."""
        return cls(
            maturity=0.9 * policy.maturity,
            utilisation=0.9 * policy.utilisation,
            child_pause=policy.withdraw,
            worst=policy.withdraw,
            learning_factor=0.0,
        )


def with_guards(
    candidates: pl.DataFrame,
    versions: pl.DataFrame,
    accounts: pl.DataFrame,
    suspensions: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """`candidates` (rows of evidence with recommendation_type) with what blocks them.

    Adds blocked_new and blocked_standing (names of guards, null where nothing blocks), budget_before (14 days
    ago) and step (the change of the budget that is left). `versions` in ENTITY_VERSIONS, `suspensions` in
    SUSPENSIONS.
    """
    placed = _with_edits(candidates, versions, accounts, policy)
    placed = _with_suspensions(placed, suspensions).with_columns(step=_step(policy))
    return placed.with_columns(
        blocked_new=_first_guard(Bounds.of_new(policy), policy),
        blocked_standing=_first_guard(Bounds.of_standing(policy), policy),
    )


def _first_guard(bounds: Bounds, policy: Policy) -> pl.Expr:
    """The first guard that blocks, in the order of `frames.GUARDS`; null where none does."""
    kind = pl.col("recommendation_type")
    owned = kind.is_in(BUDGET_TYPES) & (pl.col("entity_type") != EntityType.AD.value)
    grows = owned & kind.is_in(INCREASES)
    least = pl.col("recommendation_type").replace_strict(
        {rule.recommendation_type: rule.least_expected for rule in reversed(RULES)}, return_dtype=pl.Float64
    )
    under_campaign_budget = (pl.col("budget_owner") == EntityType.CAMPAIGN.value) & (
        pl.col("entity_type") != EntityType.CAMPAIGN.value
    )
    surely_hopeless = (pl.col("p_dear_child") >= bounds.child_pause) | (
        pl.col("p_worst") >= bounds.worst
    ).fill_null(value=False)
    guards = {
        "objective_not_leads": ~pl.col("seeks_leads"),
        "data_quality": pl.col("is_data_quality"),
        "tracking": pl.col("is_tracking"),
        "attribution_changed": pl.col("attribution_changed"),
        "learning": pl.col("is_learning") & (pl.col("expected_leads") < bounds.learning_factor * least),
        "recent_edit": pl.col("edited_recently"),
        "immature": (pl.col("maturity") < bounds.maturity) & (kind != "REACTIVATE"),
        "budget_owner": owned
        & (pl.col("budget_owner") != "none")
        & (pl.col("budget_owner") != pl.col("entity_type")),
        "step": grows & (pl.col("step") < policy.least_step),
        "utilisation": grows & (pl.col("utilisation") < bounds.utilisation),
        "campaign_budget_child": (kind == "PAUSE") & under_campaign_budget & ~surely_hopeless,
    }
    return pl.coalesce(
        pl.when(condition.fill_null(value=False)).then(pl.lit(name)) for name, condition in guards.items()
    )


def _step(policy: Policy) -> pl.Expr:
    """Relative change of the budget, within what `step` and `step_14d` leave; null where none changes."""
    kind = pl.col("recommendation_type")
    wanted = (
        pl.when(kind == "SCALE_UP")
        .then(min(policy.scale_up_step, policy.step))
        .when(kind == "BUDGET_INCREASE")
        .then(min(policy.increase_step, policy.step))
        .when(kind == "BUDGET_DECREASE")
        .then(-min(policy.decrease_step, policy.step))
    )
    room = (1.0 + policy.step_14d) * pl.col("budget_before") / pl.col("daily_budget") - 1.0
    limited = pl.when(wanted > 0).then(pl.min_horizontal(wanted, room.fill_null(1.0))).otherwise(wanted)
    return pl.when(pl.col("entity_type") != EntityType.AD.value).then(limited)


def _with_edits(
    candidates: pl.DataFrame, versions: pl.DataFrame, accounts: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """edited_recently and budget_before of every candidate, and ends_at, the end of its day."""
    zones = zones_of(accounts)
    known = decode_fields(versions).sort("known_at")
    edits = (
        known.with_columns(
            changed=pl.any_horizontal(
                (pl.col(name).ne_missing(pl.col(name).shift(1))).over(_ENTITY, order_by="known_at")
                for name in EDITED
            ),
            number=pl.int_range(pl.len()).over(_ENTITY, order_by="known_at"),
        )
        .filter(pl.col("changed") & (pl.col("number") > 0))
        .select(*_ENTITY, edited_at="known_at", until=pl.col("known_at") + pl.duration(microseconds=1))
        .sort("until")
    )
    budgets = known.select(
        *_ENTITY, budget_before="daily_budget", until=pl.col("known_at") + pl.duration(microseconds=1)
    ).sort("until")
    placed = (
        candidates.join(
            accounts.select("config_id", pl.col("timezone").fill_null("UTC")), on="config_id", how="left"
        )
        .with_columns(
            ends_at=day_end(pl.col("date"), pl.col("timezone"), zones),
            before=day_end(pl.col("date").dt.offset_by(f"-{LOOK_BACK_DAYS}d"), pl.col("timezone"), zones),
            number=pl.int_range(pl.len()),
        )
        .sort("ends_at")
    )
    placed = placed.join_asof(
        edits, left_on="ends_at", right_on="until", by=_ENTITY, strategy="backward", check_sortedness=False
    ).sort("before")
    placed = placed.join_asof(
        budgets, left_on="before", right_on="until", by=_ENTITY, strategy="backward", check_sortedness=False
    )
    significant = [
        name
        for name in ("last_significant_edit_at", "adset_last_significant_edit_at")
        if name in placed.columns
    ]
    oldest = pl.col("ends_at") - pl.duration(minutes=round(policy.edit_hours * 60))
    return (
        placed.with_columns(
            edited_recently=pl.any_horizontal(
                ((pl.col(name) > oldest) & (pl.col(name) <= pl.col("ends_at"))).fill_null(value=False)
                for name in ("edited_at", *significant)
            )
        )
        .sort("number")
        .drop("number", "before", "edited_at", "timezone", "until", "until_right", strict=False)
    )


def _with_suspensions(candidates: pl.DataFrame, suspensions: pl.DataFrame) -> pl.DataFrame:
    for guard in ("data_quality", "tracking"):
        found = (
            suspensions.filter(pl.col("guard") == guard)
            .select("config_id", "entity_type", "date")
            .unique()
            .with_columns(pl.lit(value=True).alias(f"is_{guard}"))
        )
        candidates = candidates.join(
            found, on=["config_id", "entity_type", "date"], how="left", maintain_order="left"
        )
    return candidates
