"""What fills the phrases: each number, name and noun of a decision as text, one expression each."""

from collections.abc import Mapping

import polars as pl

from ml_assets.classification.classify import ATTRIBUTION_BREAK_DAYS
from ml_assets.entities import LEVELS
from ml_assets.features.estimates import ESTIMATE_DAYS
from ml_assets.recommendations.policy import Policy
from ml_assets.words import numbers
from ml_assets.words.phrases import Language, by_value, fill

NAMES = ("name", "parent_name", "rival_name", "overlap_name", "above_name")
"""Placeholders that are columns of the frame already: quoted names."""

_MONEY_EXACT = ("spend", "spend_7d", "target_cpl")
MOST_SURE = 0.999
"""A posterior is never certain, also where its tail is too small for a float."""

_BUDGETS = ("budget", "budget_after")
_MONEY_ROUGH = ("cpl", "cpl_lo_80", "cpl_hi_80", "siblings_cpl", "cpl_after", "test_money", "turn_spend")
_SHARES = (
    "utilisation", "overlap", "share_of_parent_spend", "ctr_vs_parent", "cvr_vs_parent",
)  # fmt: skip
_LIMITS: Mapping[str, str | None] = {
    "low_cpl": None,
    "solid_cpl": None,
    "good_record": None,
    "high_cpl": "budget_decrease_cpl",
    "hopeless_cpl": "pause_cpl",
    "cheap_but_small": "expansion_cpl",
    "dear_though_clicked": "narrowing_cpl",
}
"""Rule -> the threshold that makes its limit of the target; the target itself where there is none."""


def values(language: Language, policy: Policy) -> dict[str, pl.Expr]:
    """Placeholder -> its text, over decisions with `currency`, `detected_on` and the columns `NAMES`."""
    return {
        **{name: pl.col(name) for name in NAMES},
        **_nouns(language),
        **_amounts(language, policy),
        **_counts(language, policy),
        **_shares(language, policy),
        **_changes(language),
        **_dates(language, policy),
    }


def has_known_budget() -> pl.Expr:
    """Whether `budget` is one that is set; else it is the daily spend, which must not be called a budget."""
    return pl.col("utilisation").is_not_null()


def limit(policy: Policy) -> pl.Expr:
    """The CPL that the rule's probability is about: T, or a multiple of it; null for rules without one."""
    multiples = {rule: 1.0 if name is None else getattr(policy, name) for rule, name in _LIMITS.items()}
    multiple = pl.col("rule").replace_strict(
        list(multiples), list(multiples.values()), default=None, return_dtype=pl.Float64
    )
    return multiple * pl.col("target_cpl")


def _nouns(language: Language) -> dict[str, pl.Expr]:
    """The level of the entity, of its parent and of the one that was decided above, as nouns."""

    def noun(level: str, form: str) -> pl.Expr:
        return by_value(level, {kind: pl.lit(language.phrases[f"{kind}.{form}"]) for kind in LEVELS})

    return {
        **{form: noun("entity_type", form) for form in ("thing", "of_thing", "the_thing", "things")},
        "in_the_parent": noun("parent_type", "in_the_thing"),
        "above_thing": noun("above_type", "the_thing"),
    }


def _amounts(language: Language, policy: Policy) -> dict[str, pl.Expr]:
    locale, currency = language.locale, pl.col("currency")

    def exact(value: pl.Expr) -> pl.Expr:
        return numbers.money(value, currency, locale)

    def rough(value: pl.Expr) -> pl.Expr:
        return numbers.money(value, currency, locale, rough=True)

    gain = pl.col("money_per_week")
    change = pl.col("spend_per_week")
    return {
        **{name: exact(pl.col(name)) for name in _MONEY_EXACT},
        **{name: exact(pl.when(has_known_budget()).then(name)) for name in _BUDGETS},
        **{name: rough(pl.col(name)) for name in _MONEY_ROUGH},
        "limit": rough(limit(policy)),
        "child_limit": rough(policy.child_pause_cpl * pl.col("target_cpl")),
        "money": rough(gain),
        "money_lo_80": rough(pl.col("money_lo_80")),
        "money_hi_80": rough(pl.col("money_hi_80")),
        "waiting": pl.when(gain > 0).then(rough(gain)),
        "spend_change": numbers.money(change, currency, locale, rough=True, plus=True),
    }


def _counts(language: Language, policy: Policy) -> dict[str, pl.Expr]:
    locale = language.locale

    def counted(value: pl.Expr, key: str, *, is_estimate: bool = False) -> pl.Expr:
        """A number with its noun, in the singular where the number reads 1."""
        number = (numbers.estimate if is_estimate else numbers.whole)(value, locale)
        many = fill(language.phrases[f"{key}.many"], {"number": number})
        one = pl.when(number == "1").then(pl.lit(language.phrases[f"{key}.one"])).otherwise(many)
        if f"{key}.none" not in language.phrases:
            return one
        return pl.when(value == 0).then(pl.lit(language.phrases[f"{key}.none"])).otherwise(one)

    def whole(value: float) -> pl.Expr:
        return numbers.estimate(pl.lit(value), locale)

    expected = pl.col("expected_leads")
    wait_days = pl.max_horizontal(
        pl.lit(policy.cooldown_hours / 24.0), policy.cooldown_leads * pl.col("days") / expected
    ).ceil()
    return {
        "leads": counted(pl.col("leads"), "leads"),
        "expected_leads": counted(expected, "leads", is_estimate=True),
        "test_leads": counted(pl.col("test_leads").ceil(), "leads"),
        "turn_leads": counted(pl.col("turn_leads"), "more_leads"),
        "all_siblings": numbers.whole(pl.col("siblings") + 1, locale),
        "paused_days": counted(pl.col("paused_days"), "days"),
        "days": counted(pl.col("days"), "days"),
        "estimate_days": counted(pl.lit(ESTIMATE_DAYS), "days"),
        # with hardly any spend the wait has no end that could be told
        "cooldown_days": pl.when(expected > 0, wait_days <= 60).then(counted(wait_days, "days")),  # noqa: PLR2004
        "frequency": numbers.estimate(pl.col("frequency"), locale),
        "learning_factor": whole(policy.learning_factor),
        "edit_hours": whole(policy.edit_hours),
        "cooldown_hours": whole(policy.cooldown_hours),
        "cooldown_leads": whole(policy.cooldown_leads),
        "issued_per_day": whole(policy.issued_per_day),
        "quiet_days": whole(policy.quiet_days),
    }


def _shares(language: Language, policy: Policy) -> dict[str, pl.Expr]:
    locale = language.locale

    def share(value: float) -> pl.Expr:
        return numbers.share(pl.lit(value), locale)

    return {
        **{name: numbers.share(pl.col(name), locale) for name in _SHARES},
        "maturity": numbers.probability(pl.col("maturity"), locale),
        "probability": numbers.probability(pl.col("probability").clip(upper_bound=MOST_SURE), locale),
        "withdraws_below": numbers.probability(pl.col("withdraws_below"), locale),
        "fatigue": numbers.probability((pl.col("fatigue_score") / 100.0).clip(upper_bound=MOST_SURE), locale),
        "step_size": numbers.share(pl.col("step").abs(), locale),
        "review_fall": share(policy.review_fall),
        "least_maturity": share(policy.maturity),
        "largest_step": share(policy.step),
        "largest_rise": share(policy.step_14d),
        "least_step": share(policy.least_step),
        "least_utilisation": share(policy.utilisation),
        "child_pause": share(policy.child_pause),
        "growth": share(policy.evidence_growth - 1.0),
    }


def _changes(language: Language) -> dict[str, pl.Expr]:
    """Changes with their sign."""
    locale = language.locale

    def relative(name: str) -> pl.Expr:
        return numbers.share(pl.col(name), locale, plus=True)

    def absolute(name: str) -> pl.Expr:
        return numbers.estimate(pl.col(name), locale, plus=True)

    return {
        "step": relative("step"),
        "lead_rate_change": relative("lead_rate_change"),
        "ctr_change": relative("ctr_change"),
        "leads_change": absolute("leads_per_week"),
        "leads_lo_80": absolute("leads_lo_80"),
        "leads_hi_80": absolute("leads_hi_80"),
    }


def _dates(language: Language, policy: Policy) -> dict[str, pl.Expr]:
    """Days; what ends within some days of its cause has ended so many days after the date at the latest."""

    def day(value: pl.Expr) -> pl.Expr:
        return numbers.date(value, language.locale)

    def after(days: float) -> pl.Expr:
        return day(pl.col("recommendation_date") + pl.duration(days=int(-(-days // 1))))

    return {
        "first_date": day(pl.col("first_date")),
        "expires_on": day(pl.col("expires_on")),
        "detected_on": day(pl.col("detected_on")),
        "attribution_until": after(ATTRIBUTION_BREAK_DAYS),
        "edit_until": after(policy.edit_hours / 24.0),
        "quiet_until": after(policy.quiet_days),
        "dismissed_until": after(policy.dismissed_days),
    }
