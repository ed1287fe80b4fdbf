"""Titles and descriptions: which phrases are said of which decision, and in which order."""

from collections.abc import Mapping, Sequence

import polars as pl

from ml_assets.entities import LEVELS
from ml_assets.features.estimates import ESTIMATE_DAYS
from ml_assets.recommendations.frames import GUARDS, PLAN_REASONS, TYPES
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.words.values import values
from ml_assets.words.phrases import Language, by_value, fill, first_known, joined, sentence

DO: Mapping[str, str] = {
    "low_cpl": "do.raise_budget",
    "solid_cpl": "do.raise_budget",
    "high_cpl": "do.cut_budget",
    "hopeless_cpl": "do.pause",
    "worst_of_siblings": "do.pause",
    "best_of_siblings": "do.shift_spend",
    "good_record": "do.reactivate",
    "fatigue": "do.refresh_creative",
    "lead_rate_fell": "do.review_audience",
    "audience_overlap": "do.untangle_audience",
    "cheap_but_small": "do.expand_audience",
    "dear_though_clicked": "do.narrow_audience",
    "undecided": "do.test_creative",
}
"""Rule -> what to do about it. The SCALE_UP of an ad is `do.make_room`: an ad has no budget."""

WHY: Mapping[str, Sequence[str]] = {
    "low_cpl": ("why.record", "why.below"),
    "solid_cpl": ("why.record", "why.below", "why.not_falling"),
    "high_cpl": ("why.record", "why.above"),
    "hopeless_cpl": ("why.record", "why.above"),
    "worst_of_siblings": ("why.worst", "why.record", "why.beside"),
    "best_of_siblings": ("why.best", "why.record", "why.beside"),
    "good_record": ("why.good_record", "why.below", "why.paused"),
    "fatigue": ("why.tired", "why.seen"),
    "lead_rate_fell": ("why.lead_rate", "why.ctr_held"),
    "audience_overlap": ("why.overlap",),
    "cheap_but_small": ("why.below", "why.small", "why.unspent", "why.seen"),
    "dear_though_clicked": ("why.above", "why.clicked"),
    "undecided": ("why.record", "why.undecided"),
}
"""Rule -> the clauses that say why; one whose number is not known, or says nothing, is left out."""

_VARIANTS = ("", ".step", ".plain")


def say(decisions: pl.DataFrame, language: Language, policy: Policy) -> pl.DataFrame:
    """`title` and `description` of each row of decisions, in its order.

    `decisions` has the columns of DECISIONS, `currency`, `parent_type`, `detected_on` and the quoted names.
    """
    made = values(language, policy)
    texts = decisions.with_columns(text.alias(f"text_{name}") for name, text in made.items())
    phrases = _Phrases(language, {name: pl.col(f"text_{name}") for name in made})
    phrases.texts["within"] = phrases.said("title.within").fill_null("")
    return texts.select(title=_title(phrases), description=_description(phrases, policy))


class _Phrases:
    """The phrases of a language over the texts of a frame."""

    def __init__(self, language: Language, texts: dict[str, pl.Expr]) -> None:
        self.language = language
        self.texts = texts

    def __contains__(self, key: str) -> bool:
        return key in self.language.phrases

    def said(self, key: str, **more: pl.Expr) -> pl.Expr:
        """The phrase of a key, or the first of its variants whose values are all known."""
        variants = [key + variant for variant in _VARIANTS if key + variant in self]
        return first_known(
            fill(self.language.phrases[variant], {**self.texts, **more}) for variant in variants
        )

    def special(self, key: str, column: str, special: Sequence[str]) -> pl.Expr:
        """The phrase of a key, or that of `key.value` where there is one for the row's value of `column`."""
        own = {value: self.said(f"{key}.{value}") for value in special if f"{key}.{value}" in self}
        return pl.coalesce(by_value(column, own), self.said(key)) if own else self.said(key)


def _title(phrases: _Phrases) -> pl.Expr:
    """Verb first, then the entity, then where it is."""
    titles = {kind: phrases.special(f"title.{kind}", "entity_type", LEVELS) for kind in TYPES}
    return by_value("recommendation_type", titles)


def _description(phrases: _Phrases, policy: Policy) -> pl.Expr:
    """What to do (or why not now, and what it would be), why, what it brings, what would change our mind."""
    action = _action(phrases)
    not_now = phrases.said("not_now", reason=_reason(phrases))
    # what is blocked may come, what was done is past
    other = pl.coalesce(
        pl.when(pl.col("detected_at").is_not_null()).then(phrases.said("was", action=action)),
        phrases.said("would_be", action=action),
    )
    is_done = pl.col("detected_at").is_not_null()
    is_blocked = pl.col("blocked_by").is_not_null() & ~is_done
    is_open = ~is_blocked & ~is_done
    sentences = (
        pl.when(is_done).then(sentence(phrases.said("done"))).when(is_blocked).then(sentence(not_now)),
        pl.when(is_open).then(sentence(action)).otherwise(sentence(other)),
        sentence(_why(phrases, policy)),
        pl.when(~is_done).then(sentence(_impact(phrases))),
        pl.when(is_open).then(sentence(_turn(phrases))),
    )
    return pl.concat_str(sentences, separator=" ", ignore_nulls=True)


def _action(phrases: _Phrases) -> pl.Expr:
    keys = sorted(set(DO.values()))
    key_of_rule = pl.col("rule").replace_strict(
        list(DO), list(DO.values()), default=None, return_dtype=pl.String
    )
    is_room = (pl.col("recommendation_type") == "SCALE_UP") & (pl.col("entity_type") == "ad")
    room = pl.when(is_room).then(phrases.said("do.make_room"))
    return first_known([room, *(pl.when(key_of_rule == key).then(phrases.said(key)) for key in keys)])


def _why(phrases: _Phrases, policy: Policy) -> pl.Expr:
    # A creative may tire people who saw it once: how often is told where it is part of the reason.
    often = (
        pl.when(pl.col("rule") == "fatigue")
        .then(policy.refresh_frequency)
        .otherwise(policy.expansion_frequency)
    )
    telling = {
        "why.seen": pl.col("frequency") >= often,
        "why.unspent": pl.col("utilisation") < policy.expansion_utilisation,
    }
    clauses = {key: phrases.said(key) for keys in WHY.values() for key in keys}
    told = {**clauses, **{key: pl.when(tells).then(clauses[key]) for key, tells in telling.items()}}
    return by_value("rule", {rule: joined([told[key] for key in keys], "; ") for rule, keys in WHY.items()})


def _impact(phrases: _Phrases) -> pl.Expr:
    kinds = ("leads", "spend", "cpl", "money")
    said = {kind: phrases.said(f"impact.{kind}") for kind in kinds}
    same = pl.when(pl.col("spend_per_week") == 0).then(phrases.said("impact.spend.same"))
    parts = joined([*(said | {"spend": pl.coalesce(same, said["spend"])}).values()], ", ")
    return joined([phrases.said("impact", parts=parts), phrases.said("impact.waiting")], "; ")


def _turn(phrases: _Phrases) -> pl.Expr:
    ordinary = first_known(phrases.said(key) for key in ("turn.leads", "turn.spend", "turn"))
    rules = [rule for rule in WHY if f"turn.{rule}" in phrases]
    of_rule = by_value("rule", {rule: phrases.said(f"turn.{rule}") for rule in rules})
    # A longer record holds a pause or a cut only as long as the last days do not object.
    on_longer = pl.col("rule").is_in(["hopeless_cpl", "high_cpl"]) & (pl.col("days") > ESTIMATE_DAYS)
    longer = pl.when(on_longer).then(phrases.said("turn.longer_record"))
    return pl.coalesce(of_rule, longer, ordinary)


def _reason(phrases: _Phrases) -> pl.Expr:
    """Why not now: the guard, or what the plan preferred."""
    guards = {guard: phrases.special(f"guard.{guard}", "entity_type", LEVELS) for guard in GUARDS}
    actions = ("PAUSE", "BUDGET_DECREASE", "INACTIVE")
    plan = {reason: phrases.special(f"plan.{reason}", "above_action", actions) for reason in PLAN_REASONS}
    is_plan = pl.col("blocked_by") == "plan"
    return pl.coalesce(pl.when(is_plan).then(by_value("plan_reason", plan)), by_value("blocked_by", guards))
