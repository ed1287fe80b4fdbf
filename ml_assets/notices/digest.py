"""The daily digest in words: one notice for all accounts, the most pressing ones in full."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from ml_assets.classification.bands import INSUFFICIENT_DATA, TIERS
from ml_assets.entities import EntityType
from ml_assets.notices import digest_phrases_en, digest_phrases_pt_br
from ml_assets.notices.digest_rows import DigestRows, Lacking
from ml_assets.notices.message import (
    MOST_IN_SECTION,
    Notice,
    NoticeKind,
    bulleted,
    context,
    cut,
    escaped,
    header,
    section,
)
from ml_assets.words import locales, numbers
from ml_assets.words.phrases import Language, by_value, fill, joined, language_of

LANGUAGES: dict[str, Language] = {
    "en": Language(digest_phrases_en.PHRASES, locales.EN),
    "pt-BR": Language(digest_phrases_pt_br.PHRASES, locales.PT_BR),
}

IN_FULL = 10
"""Accounts that have a part of their own: four blocks each, of the fifty of a message."""

SHOWN = 3
"""Things to do, tiers that moved and incidents of an account that are told; the others are counted."""

MOST_OF_TITLE = 400
MOST_OF_MOVE = 250
MOST_OF_SENTENCE = 600
"""Characters of a line: all of a block's fit into a section, whatever the names are."""

SUREST = 0.999
"""No probability is told as more than this."""

Lines = dict[int, list[str]]
"""config_id -> lines, as plain text."""


def digest_key(date: dt.date) -> str:
    """The key of a date's digest: there is one."""
    return f"{NoticeKind.DIGEST.value}|{date}"


def digest_notice(rows: DigestRows, date: dt.date, language: str, late: Sequence[EntityType] = ()) -> Notice:
    """The digest of `date`, in the order of `rows.accounts`; one for each date.

    `late` are levels whose recommendations were waited for in vain.
    """
    words = language_of(language, LANGUAGES)
    full, rest = rows.accounts.head(IN_FULL), rows.accounts.slice(IN_FULL)
    blocks = [header(_constant(words, "heading", day=numbers.date(pl.lit(date), words.locale)))]
    if late:
        levels = ", ".join(words.phrases[f"{level.value}.things"] for level in late)
        blocks.append(context([escaped(words.phrases["late"].format(levels=levels))]))
    blocks.extend(_of_accounts(full, rows, words))
    if rest.height:
        names = [one_line(name, str(key)) for key, name in rest.select("config_id", "name").iter_rows()]
        blocks.append(section(_rest(names, words)))
    counts = [
        _counted(words, "things", rows.to_do.height),
        _counted(words, "open", rows.incidents.filter(~pl.col("is_over")).height),
        _counted(words, "accounts", rows.accounts.height),
    ]
    return Notice(
        key=digest_key(date),
        kind=NoticeKind.DIGEST,
        text=f"{date}: {', '.join(counts)}.",
        blocks=tuple(blocks),
    )


def one_line(text: str | None, otherwise: str) -> str:
    """The text without line breaks; `otherwise` where nothing is left."""
    return " ".join((text or "").split()) or otherwise


def _of_accounts(accounts: pl.DataFrame, rows: DigestRows, words: Language) -> Iterator[dict[str, Any]]:
    """The blocks of the accounts, at most four each."""
    money_of = accounts.select("config_id", "currency")

    def own(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.join(money_of, on="config_id", how="inner", maintain_order="left")

    to_do = _lines(own(rows.to_do), _to_do_line(words))
    moved = _lines(own(rows.moved), _moved_line(words))
    open_ones = own(rows.incidents.filter(~pl.col("is_over")))
    incidents = _lines(open_ones, _incident_line(words))
    pacing = _lines(own(rows.pacing), _pacing_line(words))
    lacking = set(rows.lacks.iter_rows())
    # a plan that is missing is said where the plan would be
    others = rows.lacks.filter(pl.col("what") != Lacking.PLAN)
    lacks = _lines(own(others), by_value("what", _phrases(words, "lacks.")))
    counts = _counts(rows)
    for row in accounts.to_dicts():
        key = row["config_id"]
        yield header(one_line(row["name"], str(key)))
        found = counts.get(key, {})
        missing = lacks.get(key, [])
        has_plan, is_judged = ((key, what.value) not in lacking for what in (Lacking.PLAN, Lacking.TIERS))
        if found or not (has_plan and is_judged):
            otherwise = words.phrases["to_do.none" if has_plan else "lacks.plan"]
            yield section(_listed(words.phrases["to_do"], to_do.get(key), otherwise, words))
            changed = [
                *_moves(found, moved.get(key, []), words),
                *_incidents(found, incidents.get(key, []), words),
            ]
            if changed:
                yield section("\n".join(changed))
        else:
            yield section(escaped(words.phrases["quiet"]))
        small_print = [escaped(text) for text in (*pacing.get(key, []), *missing)]
        if small_print:
            yield context(small_print)


def _counts(rows: DigestRows) -> dict[int, dict[str, int]]:
    """config_id -> how many `to_do`, `up`, `down`, `open`, `new` and `over`; a quiet account is not in it."""
    is_open = ~pl.col("is_over")
    told = pl.concat(
        [
            rows.to_do.select("config_id", what=pl.lit("to_do")),
            rows.moved.select("config_id", what="direction"),
            rows.incidents.select(
                "config_id", what=pl.when(is_open).then(pl.lit("open")).otherwise(pl.lit("over"))
            ),
            rows.incidents.filter("is_new", is_open).select("config_id", what=pl.lit("new")),
        ]
    )
    found: dict[int, dict[str, int]] = {}
    for key, what, number in told.group_by("config_id", "what").len().iter_rows():
        found.setdefault(key, {})[what] = number
    return found


def _moves(found: Mapping[str, int], lines: Sequence[str], words: Language) -> Iterator[str]:
    """How many tiers moved, and those of the most spend."""
    if lines:
        counted = words.phrases["moved"].format(up=found.get("up", 0), down=found.get("down", 0))
        yield escaped(counted)
        yield bulleted([cut(escaped(line), MOST_OF_MOVE) for line in lines[:SHOWN]])


def _incidents(found: Mapping[str, int], lines: Sequence[str], words: Language) -> Iterator[str]:
    """How many incidents are open and over, and the most pressing ones that are open."""
    counted = [
        _counted(words, key, found[what])
        for key, what in (("incidents", "open"), ("new", "new"), ("over", "over"))
        if found.get(what)
    ]
    if counted:
        yield escaped(f"{', '.join(counted)}{':' if lines else '.'}")
    if lines:
        yield bulleted([cut(escaped(line), MOST_OF_SENTENCE) for line in lines[:SHOWN]])


def _listed(title: str, lines: Sequence[str] | None, otherwise: str, words: Language) -> str:
    """The first lines below a title, and how many more there are; `otherwise` where there is none."""
    if not lines:
        return escaped(otherwise)
    told = [cut(escaped(line), MOST_OF_TITLE) for line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        told.append(escaped(words.phrases["more"].format(number=len(lines) - SHOWN)))
    return f"{escaped(title)}\n{bulleted(told)}"


def _rest(names: Sequence[str], words: Language) -> str:
    """How many accounts are not told in full, and as many of their names as a section takes."""
    heading = escaped(_counted(words, "rest", len(names)))
    room = MOST_IN_SECTION - len(heading) - len(words.phrases["more"]) - 20
    told: list[str] = []
    for name in names:
        text = cut(escaped(name), MOST_OF_MOVE)
        room -= len(text) + 2
        if room < 0:
            break
        told.append(text)
    if len(told) < len(names):
        told.append(escaped(words.phrases["more"].format(number=len(names) - len(told))))
    return f"{heading}\n{', '.join(told)}"


# --------------------------------------------------------------------------------- lines of frames


def _lines(frame: pl.DataFrame, line: pl.Expr) -> Lines:
    """The lines of each account, in the order of the rows; what cannot be said is left out."""
    told = frame.select("config_id", line=line).drop_nulls("line")
    grouped = told.group_by("config_id", maintain_order=True).agg("line")
    return dict(grouped.iter_rows())


def _money(column: str, words: Language) -> pl.Expr:
    return numbers.money(pl.col(column), pl.col("currency"), words.locale, rough=True)


def _in_brackets(*parts: pl.Expr) -> pl.Expr:
    """The parts that are known, in brackets after a space; empty where none is."""
    inside = joined(parts, ", ")
    return pl.coalesce(pl.lit(" (") + inside + ")", pl.lit(""))


def _tidy(column: str) -> pl.Expr:
    return pl.col(column).str.replace_all(r"\s+", " ").str.strip_chars()


def _to_do_line(words: Language) -> pl.Expr:
    sure = numbers.probability(pl.col("probability").clip(upper_bound=SUREST), words.locale)
    return _tidy("title") + _in_brackets(
        fill(words.phrases["sure"], {"probability": sure}),
        fill(words.phrases["worth"], {"money": _money("money_per_week", words)}),
    )


def _moved_line(words: Language) -> pl.Expr:
    values = {
        "thing": pl.col("entity_type").replace(_texts(words, (level.value for level in EntityType))),
        "name": _tidy("name"),
        "tier": pl.col("tier").replace(_texts(words, (*TIERS, INSUFFICIENT_DATA))),
        "previous": pl.col("previous_tier").replace(_texts(words, (*TIERS, INSUFFICIENT_DATA))),
    }
    spend = fill(words.phrases["moved.spend"], {"money": _money("spend", words)})
    return fill(words.phrases["moved.line"], values) + _in_brackets(spend)


def _incident_line(words: Language) -> pl.Expr:
    sentence = _tidy("sentence")
    return pl.when("is_new").then(fill(words.phrases["new"], {"sentence": sentence})).otherwise(sentence)


def _pacing_line(words: Language) -> pl.Expr:
    """The month in one sentence: so far, what is foreseen of it, and its budget."""
    is_over, has_landing = pl.col("days_left") == 0, pl.col("days_ahead") == pl.col("days_left")
    is_foreseen = (pl.col("days_ahead") > 0) & pl.col("spend_ahead").is_not_null()
    so_far = {
        "day": pl.col("day").cast(pl.String),
        "days": (pl.col("day") + pl.col("days_left")).cast(pl.String),
        "spend": _money("spend_to_date", words),
        "leads": _leads(pl.col("leads_to_date"), words),
    }
    told = (
        pl.when(is_over)
        .then(fill(words.phrases["month_over"], so_far))
        .otherwise(fill(words.phrases["so_far"], so_far))
    )
    # what has been spent is certain, and moves the interval as it moves its middle
    before = pl.when(has_landing).then(pl.struct(spend="spend_to_date", leads="leads_to_date"))

    def figure(metric: str, column: str) -> pl.Expr:
        return pl.col(f"{metric}_{column}") + before.struct.field(metric).fill_null(0.0)

    def money(column: str) -> pl.Expr:
        return numbers.money(figure("spend", column), pl.col("currency"), words.locale, rough=True)

    def leads(column: str) -> pl.Expr:
        return numbers.whole(figure("leads", column), words.locale)

    ahead = {
        "number": pl.col("days_ahead").cast(pl.String),
        "spend": money("ahead"),
        "spend_range": _range(money("lower_80"), money("upper_80"), words),
        "leads": _leads(figure("leads", "ahead"), words),
        "leads_range": _range(leads("lower_80"), leads("upper_80"), words),
    }
    foreseen = pl.when(is_foreseen & ~is_over).then(
        pl.when(has_landing)
        .then(fill(words.phrases["landing"], ahead))
        .when(pl.col("days_ahead") == 1)
        .then(fill(words.phrases["ahead.one"], ahead))
        .otherwise(fill(words.phrases["ahead.many"], ahead))
    )
    budget = pl.when(pl.col("budget") > 0).then(pl.col("budget"))

    def share(spend: pl.Expr) -> pl.Expr:
        values = {"share": numbers.share(spend / budget, words.locale), "budget": _money("budget", words)}
        return pl.coalesce(pl.lit(", ") + fill(words.phrases["budget"], values), pl.lit(""))

    at_the_end = is_foreseen & has_landing & ~is_over
    budget_so_far = pl.when(at_the_end).then(pl.lit("")).otherwise(share(pl.col("spend_to_date")))
    budget_landing = pl.when(at_the_end).then(share(figure("spend", "ahead"))).otherwise(pl.lit(""))
    tail = pl.coalesce(pl.lit("; ") + foreseen + budget_landing, pl.lit(""))
    return told + budget_so_far + tail + pl.lit(".")


def _leads(value: pl.Expr, words: Language) -> pl.Expr:
    number = numbers.whole(value, words.locale)
    many = fill(words.phrases["leads.many"], {"number": number})
    return pl.when(value.round() == 1).then(pl.lit(words.phrases["leads.one"])).otherwise(many)


def _range(low: pl.Expr, high: pl.Expr, words: Language) -> pl.Expr:
    return pl.coalesce(fill(words.phrases["range"], {"low": low, "high": high}), pl.lit(""))


# ------------------------------------------------------------------------------------ small words


def _counted(words: Language, key: str, number: int) -> str:
    """The phrase for that many; its own for one and, where there is one, for none."""
    form = {0: "none", 1: "one"}.get(number, "many")
    return words.phrases[f"{key}.{form}"].format(number=_whole(number, words))


def _whole(number: int, words: Language) -> str:
    return str(pl.select(numbers.whole(pl.lit(number), words.locale)).item())


def _constant(words: Language, key: str, **values: pl.Expr) -> str:
    return str(pl.select(fill(words.phrases[key], values)).item())


def _phrases(words: Language, start: str) -> dict[str, pl.Expr]:
    """What follows `start` in the keys -> the phrase."""
    return {
        key.removeprefix(start): pl.lit(phrase)
        for key, phrase in words.phrases.items()
        if key.startswith(start)
    }


def _texts(words: Language, keys: Iterable[str]) -> dict[str, str]:
    return {key: words.phrases[key] for key in keys}
