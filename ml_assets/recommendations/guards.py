"""The guards that look at one recommendation at a time: what forbids acting on it now.

`cooldown`, `last_active_child` and `plan` depend on the others and on the days before; they are in `replay`.
A recommendation that was issued the day before is held to looser bounds (`Bounds`), so that a figure
that hovers around a bound does not give it, withdraw it and give it again.
"""

from dataclasses import dataclass

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.local_days import day_end, zones_of
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.rules import RULES, accumulated

BUDGET_TYPES = ("SCALE_UP", "BUDGET_INCREASE", "BUDGET_DECREASE")
LOOKS_DEAR = ("PAUSE", "BUDGET_DECREASE", "AUDIENCE_REVIEW", "AUDIENCE_NARROWING")
"""Types that rest on leads that did not come."""

INCREASES = ("SCALE_UP", "BUDGET_INCREASE")


@dataclass(frozen=True)
class Bounds:
    """The bounds of the guards that have any."""

    maturity: float
    utilisation: float
    child_pause: float
    worst: float
    """P(worst of its siblings) that lets a child be paused under a campaign budget."""
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
            # Among siblings it holds as long as its rule is in force, which `decide` knows.
            worst=policy.pause_worst,
            learning_factor=0.0,
        )


def with_guards(
    candidates: pl.DataFrame, accounts: pl.DataFrame, suspensions: pl.DataFrame, policy: Policy
) -> pl.DataFrame:
    """`candidates` (rows of evidence with recommendation_type) with what blocks them.

    Adds blocked_new and blocked_standing (names of guards, null where nothing blocks) and step (the change of
    the budget that is left). `suspensions` in SUSPENSIONS.
    """
    zones = accounts.select("config_id", pl.col("timezone").fill_null("UTC"))
    placed = candidates.join(zones, on="config_id", how="left", maintain_order="left").with_columns(
        edited_recently=_edited_recently(accounts, policy), step=_step(policy)
    )
    placed = _with_suspensions(placed.drop("timezone"), suspensions)
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
    surely_hopeless = (accumulated("p_dear_child", policy) >= bounds.child_pause) | (
        pl.col("p_worst") >= bounds.worst
    ).fill_null(value=False)
    guards = {
        "objective_not_leads": ~pl.col("seeks_leads"),
        "data_quality": pl.col("is_data_quality"),
        "tracking": pl.col("is_tracking").fill_null(value=False)
        | (pl.col("tracking_broke") & kind.is_in(LOOKS_DEAR)),
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


def _edited_recently(accounts: pl.DataFrame, policy: Policy) -> pl.Expr:
    """Whether the newest edit is younger than `edit_hours` at the end of the day.

    One after that day, as an entity without versions may tell of, is not known on it.
    """
    ends_at = day_end(pl.col("date"), pl.col("timezone"), zones_of(accounts)).dt.timestamp("us")
    # Not the difference: where there was no edit the moment is the least integer there is.
    young = pl.col("edited_at") > ends_at - round(policy.edit_hours * 3_600_000_000)
    return young & (pl.col("edited_at") < ends_at)


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
