"""A language as phrases by key, and how a phrase is filled with the values of a row."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

import polars as pl

from ml_assets.errors import UsageError
from ml_assets.words.numbers import Locale


@dataclass(frozen=True)
class Language:
    """One language: its phrases by key, and how it writes numbers."""

    phrases: Mapping[str, str]
    locale: Locale


def language_of(name: str, languages: Mapping[str, Language]) -> Language:
    """The language of that name. Raises UsageError where there is none."""
    if name not in languages:
        raise UsageError(
            f"There are no phrases in {name!r}: set ML_ASSETS_LANGUAGE to {' or '.join(languages)}."
        )
    return languages[name]


def placeholders(phrase: str) -> list[str]:
    """The names in braces of a phrase, in order."""
    return [name for _, name, _, _ in Formatter().parse(phrase) if name is not None]


def fill(phrase: str, values: Mapping[str, pl.Expr]) -> pl.Expr:
    """The phrase with its placeholders replaced row by row; null where one of them is null."""
    parts: list[pl.Expr] = []
    for text, name, _, _ in Formatter().parse(phrase):
        if text:
            parts.append(pl.lit(text))
        if name is not None:
            parts.append(values[name])
    return pl.concat_str(parts)


def first_known(options: Iterable[pl.Expr]) -> pl.Expr:
    """The first of the texts that is not null."""
    return pl.coalesce(pl.lit(None, dtype=pl.String), *options)


def by_value(column: str, options: Mapping[str, pl.Expr]) -> pl.Expr:
    """For each row the text that belongs to its value of `column`; null where none does."""
    return first_known(pl.when(pl.col(column) == value).then(text) for value, text in options.items())


def joined(parts: Sequence[pl.Expr], separator: str) -> pl.Expr:
    """The parts that are known; null where none is."""
    text = pl.concat_str(parts, separator=separator, ignore_nulls=True)
    return pl.when(text != "").then(text)


def sentence(text: pl.Expr) -> pl.Expr:
    """A capital in front, a full stop behind."""
    return text.str.slice(0, 1).str.to_uppercase() + text.str.slice(1) + "."
