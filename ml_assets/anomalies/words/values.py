"""What fills the phrases: numbers, names, nouns, days and changes of an incident as text."""

from collections.abc import Mapping

import polars as pl

from ml_assets.anomalies.frames import ACCOUNT, METRICS
from ml_assets.entities import LEVELS
from ml_assets.words import numbers
from ml_assets.words.phrases import Language, by_value, fill, first_known

ONGOING, PAST = "ongoing", "past"
"""Ends of keys: what still goes on and began on an earlier day, and everything else."""

CHILDREN: Mapping[str, str] = {
    ACCOUNT: LEVELS[0].value,
    **{level.value: level.child.value for level in LEVELS if level.child is not None},
}
"""Level of a root -> the level of what it consists of; an ad consists of nothing."""

ROOTS = (ACCOUNT, *(level.value for level in LEVELS))

DOUBLED, TRIPLED, HALVED = (1.85, 2.15), (2.85, 3.15), (0.46, 0.54)
"""Ratios of observed to expected that are told by these words."""

NOTICEABLE = 0.05
"""Relative change below which the last day says nothing of the change itself."""

LARGEST_TIMES = 100.0
"""From here on so little was expected that a multiple of it says nothing."""

_RATES = ("ctr", "cvr")
_MONEY = ("spend", "cpm", "cpl")
_COUNTS = ("impressions", "clicks", "leads", "frequency")


def incident_values(language: Language, parts: Mapping[str, Mapping[str, float]]) -> dict[str, pl.Expr]:
    """Placeholder -> its text, over the facts of incidents; `parts` are what metrics are made of."""
    locale, phrases = language.locale, language.phrases
    onset, last, evaluated = (
        numbers.day(pl.col(name), locale) for name in ("onset_date", "last_date", "evaluated_date")
    )
    days = {"onset": onset, "last": last}
    causes = sorted({part for weights in parts.values() for part in weights})
    is_single_day = pl.col("onset_date") == pl.col("last_date")
    return {
        **_nouns(language),
        **days,
        "evaluated": evaluated,
        "recovered": numbers.day(pl.col("last_date").dt.offset_by("1d"), locale),
        "when": pl.when("is_ongoing")
        .then(fill(phrases["when.since"], days))
        .when(is_single_day)
        .then(fill(phrases["when.on"], days))
        .otherwise(fill(phrases["when.from_to"], days)),
        "change": pl.when("is_ongoing").then(_change(language, ONGOING)).otherwise(_change(language, PAST)),
        "observed": _amount("observed", language, is_counted=True),
        "expected": _amount("expected", language),
        "money": numbers.money(_roughly(pl.col("money")), pl.col("currency"), locale, rough=True),
        "child_1": pl.col("child_1"),
        "child_2": pl.col("child_2"),
        "children": numbers.whole(pl.col("children"), locale),
        "cause_metric": by_value("cause", {part: pl.lit(phrases[f"cause_metric.{part}"]) for part in causes}),
        "cause_percent": numbers.share((pl.col("cause_change").exp() - 1.0).abs().round(2), locale),
    }


def anomaly_values(language: Language) -> dict[str, pl.Expr]:
    """Placeholder -> its text, over the facts of anomalies."""
    return {
        **_nouns(language),
        "onset": numbers.day(pl.col("anomaly_date"), language.locale),
        "observed": _amount("observed", language, is_counted=True),
        **{name: _amount(name, language) for name in ("expected", "lower", "upper")},
    }


def _amount(name: str, language: Language, *, is_counted: bool = False) -> pl.Expr:
    """The value of column `name` in the unit of the row's `metric`; `is_counted`: with its noun.

    Needs `currency`. Null for a metric that has no unit (multivariate, levels).
    """
    value, locale = pl.col(name), language.locale
    written = {
        **dict.fromkeys(_RATES, numbers.rate(value, locale)),
        **dict.fromkeys(_MONEY, numbers.money(value, pl.col("currency"), locale, rough=True)),
        **dict.fromkeys(_COUNTS, numbers.estimate(value, locale)),
    }
    if is_counted:
        nouned = (*_COUNTS, "cvr")
        written |= {metric: _counted(metric, written[metric], language) for metric in nouned}
    return by_value("metric", written)


def _nouns(language: Language) -> dict[str, pl.Expr]:
    """The entity with its name as subject and after "of", the level below, and the metric as a subject."""
    phrases = language.phrases
    within = fill(phrases["within"], {"parent_name": pl.col("parent_name")}).fill_null("")
    name = {"name": pl.col("name"), "within": within}

    def root(form: str) -> pl.Expr:
        return by_value("entity_type", {level: fill(phrases[f"{level}.{form}"], name) for level in ROOTS})

    def child(form: str) -> pl.Expr:
        told = {level: pl.lit(phrases[f"{below}.{form}"]) for level, below in CHILDREN.items()}
        return by_value("entity_type", told)

    return {
        "root": root("root"),
        "of_root": root("of_root"),
        "in_child": child("in_thing"),
        "in_children": child("in_things"),
        "child_things": child("things"),
        "its_children": child("its_things"),
        "metric": by_value("metric", {name: pl.lit(phrases[f"metric.{name}"]) for name in METRICS}),
    }


def _change(language: Language, tense: str) -> pl.Expr:
    """How far the value of the last day is from what was expected; needs `is_up`, `ratio`, `observed`.

    A last day that does not show the change, and one on which hardly anything was expected, is told without
    a number.
    """
    ratio, locale = pl.col("ratio"), language.locale
    size = (ratio - 1.0).abs().round(2)
    # what fell to next to nothing has not fallen to nothing
    percent = numbers.share(pl.when("is_up").then(size).otherwise(size.clip(upper_bound=0.99)), locale)
    times = numbers.estimate(ratio, locale)

    def said(key: str) -> pl.Expr:
        phrase = language.phrases[f"change.{key}.{tense}"]
        return fill(phrase, {"percent": percent, "times": times})

    def told(when: Mapping[str, pl.Expr], otherwise: str) -> pl.Expr:
        """The first phrase whose condition holds."""
        return first_known(
            [*(pl.when(holds).then(said(key)) for key, holds in when.items()), said(otherwise)]
        )

    is_told = has_change()
    up = told(
        {
            "doubled": is_told & ratio.is_between(*DOUBLED),
            "tripled": is_told & ratio.is_between(*TRIPLED),
            "times": is_told & (ratio > DOUBLED[0]),
            "up": is_told,
        },
        "some_up",
    )
    down = told(
        {
            "zero": is_told & (pl.col("observed") == 0),
            "halved": is_told & ratio.is_between(*HALVED),
            "down": is_told,
        },
        "some_down",
    )
    return pl.when("is_up").then(up).otherwise(down)


def has_change() -> pl.Expr:
    """Whether the values of the last day show a change in the incident's direction that can be told."""
    up = pl.col("ratio").is_between(1.0 + NOTICEABLE, LARGEST_TIMES)
    down = pl.col("ratio") <= 1.0 - NOTICEABLE
    return pl.when("is_up").then(up).otherwise(down).fill_null(value=False)


def _roughly(money: pl.Expr) -> pl.Expr:
    """Without cents where it is more than a handful: it is an estimate."""
    return pl.when(money.abs() >= numbers.WHOLE_FROM).then(money.round()).otherwise(money)


def _counted(metric: str, number: pl.Expr, language: Language) -> pl.Expr:
    """A number with its noun, in the singular where the number reads 1."""
    one, many = (fill(language.phrases[f"{metric}.{form}"], {"number": number}) for form in ("one", "many"))
    return pl.when(number == "1").then(one).otherwise(many)
