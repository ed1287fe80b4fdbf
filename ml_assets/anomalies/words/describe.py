"""Incidents and anomalies in one sentence each: which phrases are said of which, and in which order."""

from collections.abc import Callable, Mapping

import polars as pl

from ml_assets.anomalies.frames import TYPES
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.anomalies.words.facts import anomaly_facts, incident_facts
from ml_assets.anomalies.words.languages import LANGUAGES
from ml_assets.anomalies.words.values import ONGOING, PAST, anomaly_values, has_change, incident_values
from ml_assets.words.phrases import Language, by_value, fill, first_known, joined, language_of, sentence

MONEY: Mapping[str, str] = {
    "SPEND_SPIKE": "over",
    "CPM_SPIKE": "over",
    "CPL_SPIKE": "over",
    "CTR_DROP": "lost",
    "CVR_DROP": "lost",
    "SPEND_DROP": "unspent",
    "ZERO_SPEND": "unspent",
    "ZERO_IMPRESSIONS": "unspent",
    "LEADS_DROP": "leads",
    "TRACKING_BREAK": "leads",
    "CPM_DROP": "saved",
    "CPL_DROP": "saved",
    "CTR_SPIKE": "saved",
    "CVR_SPIKE": "saved",
}
"""Kind -> what became of the money; at stake for any other."""

PARTS: Mapping[str, Mapping[str, float]] = {
    "CPL_SPIKE": {"cpm": 1.0, "ctr": -1.0, "cvr": -1.0},
    "CPL_DROP": {"cpm": 1.0, "ctr": -1.0, "cvr": -1.0},
    "LEADS_DROP": {"spend": 1.0, "cpm": -1.0, "ctr": 1.0, "cvr": 1.0},
}
"""Kind -> what its metric is made of: the sum of these times the changes of their logarithms."""

MAIN_CAUSE = 0.5
"""Share of the change from which something is called its cause."""

ALL_OF_IT = 0.95
"""Share of the change from which a child is said to have all of it."""

LASTING_DAYS = AnomalyPolicy().new_normal_days - 1
"""Days from which what ended did so because it is expected by now, not because it is over."""

Said = Callable[[str], pl.Expr]
"""The filled phrase of a key."""


def describe_incidents(
    incidents: pl.DataFrame,
    names: pl.DataFrame,
    accounts: pl.DataFrame,
    language: str,
    *,
    is_lost: bool = False,
) -> pl.DataFrame:
    """INCIDENTS with `description` in `language`: one sentence each; rows and other columns as they are.

    It says what happened, since when, how much money it is about, where it comes from and how it stands.
    `names` holds config_id, entity_type, entity_id, name (an entity without one is called by its id),
    `accounts` config_id and currency. What is not known is not said. `is_lost`: newer figures do not show
    these any more, from a day on where they are closed, at all where they are superseded. Raises UsageError
    for a language there are no phrases in.
    """
    words = language_of(language, LANGUAGES)
    if incidents.is_empty():
        return incidents
    facts = incident_facts(incidents, names, accounts, PARTS)
    texts, said = _texts(facts, words, incident_values(words, PARTS))
    return incidents.with_columns(
        texts.select(description=_incident(words, said, is_lost=is_lost))["description"]
    )


def describe_anomalies(
    anomalies: pl.DataFrame, names: pl.DataFrame, accounts: pl.DataFrame, language: str
) -> pl.DataFrame:
    """ANOMALIES with `description` in `language`: what was seen and what was expected, in a short sentence.

    `names`, `accounts` and errors as for `describe_incidents`.
    """
    words = language_of(language, LANGUAGES)
    if anomalies.is_empty():
        return anomalies
    facts = anomaly_facts(anomalies, names, accounts)
    texts, said = _texts(facts, words, anomaly_values(words))
    return anomalies.with_columns(texts.select(description=_anomaly(words, said))["description"])


def _texts(
    facts: pl.DataFrame, language: Language, values: Mapping[str, pl.Expr]
) -> tuple[pl.DataFrame, Said]:
    """`facts` with each value as a text, and how phrases are filled with them."""
    places = {name: pl.col(f"text_{name}") for name in values}
    texts = facts.with_columns(text.alias(f"text_{name}") for name, text in values.items())
    return texts, lambda key: fill(language.phrases[key], places)


def _incident(language: Language, said: Said, *, is_lost: bool) -> pl.Expr:
    """What happened and why: what it means; how much money and where; how it stands."""
    head = joined([joined([_what(language, said), _values(said)], " "), _cause(said)], ", ")
    hints = {
        kind: said(f"hint.{kind}")
        for kind in TYPES
        if f"hint.{kind}" in language.phrases
    }  # fmt: skip
    external = pl.when(pl.col("verdict") == "EXTERNAL").then(said("where.external"))
    consequence = joined([_money(said), _where(said)], ", ")
    return sentence(
        joined(
            [
                head,
                joined(
                    [
                        by_value("kind", hints),
                        consequence,
                        external,
                        _lost(said) if is_lost else _state(said),
                    ],
                    "; ",
                ),
            ],
            ": ",
        )
    )


def _what(language: Language, said: Said) -> pl.Expr:
    def tense(key: str) -> pl.Expr:
        return pl.when("is_ongoing").then(said(f"{key}.{ONGOING}")).otherwise(said(f"{key}.{PAST}"))

    own = {
        kind: tense(f"what.{kind}")
        for kind in TYPES
        if f"what.{kind}.{PAST}" in language.phrases
    }  # fmt: skip
    levels = pl.when(pl.col("kind") == "DATA_QUALITY", pl.col("is_levels")).then(
        tense("what.DATA_QUALITY.levels")
    )
    return first_known([levels, by_value("kind", own), tense("what.metric")])


def _values(said: Said) -> pl.Expr:
    """What was seen on the last day; left out where that would contradict the rest."""
    is_single_day = pl.col("onset_date") == pl.col("last_date")
    is_metric = pl.col("kind").str.contains("_(SPIKE|DROP)$")
    return pl.when(has_change() | ~is_metric, ~pl.col("kind").is_in(["DATA_QUALITY"])).then(
        pl.when(is_single_day).then(said("values")).otherwise(said("values.day"))
    )


def _cause(said: Said) -> pl.Expr:
    """A shift of delivery between children, else the part of the metric that changed most."""
    rises = pl.col("cause_change") > 0
    return (
        pl.when(pl.col("mix") >= MAIN_CAUSE)
        .then(said("cause.mix"))
        .when(pl.col("cause_share") >= MAIN_CAUSE)
        .then(pl.when(rises).then(said("cause.up")).otherwise(said("cause.down")))
    )


def _money(said: Said) -> pl.Expr:
    """So far while it is open, in all once it is over."""

    def tense(use: str) -> pl.Expr:
        is_open = pl.col("status") == "open"
        return pl.when(is_open).then(said(f"money.{use}.{ONGOING}")).otherwise(said(f"money.{use}.{PAST}"))

    of_kind = by_value("kind", {kind: tense(use) for kind, use in MONEY.items()})
    return pl.when(pl.col("money") > 0).then(pl.coalesce(of_kind, tense("stake")))


def _where(said: Said) -> pl.Expr:
    """What below the root has most of the change; nothing where all of the account moved or all stopped."""
    children, is_all = pl.col("children"), pl.col("child_share") >= ALL_OF_IT
    is_whole = (pl.col("verdict") == "EXTERNAL") | pl.col("kind").str.starts_with("ZERO_")
    return pl.when(~is_whole).then(
        pl.when(children == 1, is_all)
        .then(said("where.all"))
        .when(children == 1)
        .then(said("where.one"))
        .when(children == 2)  # noqa: PLR2004 - a pair is named, more are counted
        .then(said("where.two"))
        .otherwise(said("where.many"))
    )


def _state(said: Said) -> pl.Expr:
    is_open, is_closed = pl.col("status") == "open", pl.col("status") == "closed"
    is_seen = pl.col("last_date") >= pl.col("evaluated_date")
    days = (pl.col("last_date") - pl.col("onset_date")).dt.total_days() + 1
    is_back = pl.col("is_back")
    return (
        pl.when(is_open, pl.col("is_provisional"))
        .then(said("state.provisional"))
        .when(is_open, ~is_seen)
        .then(pl.when(is_back).then(said("state.quiet")).otherwise(said("state.unseen")))
        .when(is_closed, pl.col("merged_into").is_not_null())
        .then(said("state.merged"))
        .when(is_closed, is_seen | (days >= LASTING_DAYS))
        .then(said("state.normal"))
        .when(is_closed)
        .then(pl.when(is_back).then(said("state.recovered")).otherwise(said("state.gone")))
    )


def _lost(said: Said) -> pl.Expr:
    return pl.when(pl.col("status") == "superseded").then(said("state.void")).otherwise(said("state.lost"))


def _anomaly(language: Language, said: Said) -> pl.Expr:
    """The phrase of the type, else that of the metric; the first whose values are all known."""
    variants = ("", ".plain")
    of_type = {
        kind: first_known(
            said(f"anomaly.{kind}{variant}")
            for variant in variants
            if f"anomaly.{kind}{variant}" in language.phrases
        )
        for kind in TYPES
        if f"anomaly.{kind}" in language.phrases
    }
    levels = pl.when(pl.col("anomaly_type") == "DATA_QUALITY", pl.col("metric") == "levels").then(
        said("anomaly.DATA_QUALITY.levels")
    )
    ordinary = first_known(said(key) for key in ("anomaly", "anomaly.band", "anomaly.plain"))
    return sentence(first_known([levels, by_value("anomaly_type", of_type), ordinary]))
