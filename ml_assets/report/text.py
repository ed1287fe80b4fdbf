"""How values read in the terminal: money, shares, intervals, tiers and names."""

import datetime as dt
import math
import re
from typing import Any, SupportsFloat

DASH = "-"

MAX_WIDTH = 120
"""Columns of the widest line."""

CENTS_BELOW = 1000
"""Amounts from here on are shown without cents."""

TIER_WORDS = {
    "HIGH_PERFORMER": "high performer",
    "MODERATE": "moderate",
    "LOW": "low",
    "UNDERPERFORMER": "underperformer",
    "INSUFFICIENT_DATA": "insufficient data",
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def clean(name: str | None, otherwise: str) -> str:
    """A name on one line without control characters; `otherwise` where there is none."""
    return _CONTROL.sub(" ", name or "").strip() or otherwise


def money(value: SupportsFloat | None) -> str:
    """An amount in the account's currency; cents only below CENTS_BELOW."""
    if value is None:
        return DASH
    amount = float(value)
    return f"{amount:,.2f}" if abs(amount) < CENTS_BELOW else f"{amount:,.0f}"


def count(value: SupportsFloat | None) -> str:
    """A number of things."""
    return DASH if value is None else f"{float(value):,.0f}"


def share(value: float | None, digits: int = 0) -> str:
    """A fraction as a percentage."""
    return DASH if value is None else f"{100 * value:.{digits}f} %"


def probability(value: float | None) -> str:
    """A probability as a percentage, rounded down: nothing short of certain is called certain."""
    # A threshold such as 0.6 must not fall below itself in binary.
    if value is None:
        return DASH
    return f"{math.floor(value * 1000 + 1e-6) / 10:.1f} %"


def sure(value: float | None) -> str:
    """A posterior probability: never 100 %, also where its tail is too small for a float."""
    return probability(None if value is None else min(value, 0.999))


def interval(middle: float | None, low: float | None, high: float | None, form: Any = money) -> str:  # noqa: ANN401 - any formatting function
    """`middle [low–high]`; a dash where a bound is missing."""
    if middle is None:
        return DASH
    return f"{form(middle)} [{form(low)}–{form(high)}]"


def days(value: float | None, low: float | None, high: float | None) -> str:
    """Days ahead with their interval."""
    if value is None:
        return DASH
    upper = "year+" if high is None else f"{high:.0f}"
    return f"{value:.0f} [{DASH if low is None else f'{low:.0f}'}–{upper}]"


def tier(value: str | None) -> str:
    """A tier in words."""
    return TIER_WORDS.get(value or "", value or DASH).replace("_", " ")


def before(previous: str | None, direction: str | None, days_in_tier: int | None) -> str:
    """What the tier was before today, or for how long it has stood."""
    if direction in {"up", "down"} and previous:
        return f"{direction}, was {tier(previous)}"
    if days_in_tier is None:
        return DASH
    return "new" if days_in_tier <= 1 else f"same for {days_in_tier} d"


def needs(value: dict[str, Any] | None) -> str:
    """What has to come until a tier can be named: spend or leads, and days with delivery."""
    wanted = value or {}
    either = [
        f"{money(wanted['spend'])} more spend" if wanted.get("spend") else "",
        _more(wanted["leads"], "lead") if wanted.get("leads") else "",
    ]
    both = " or ".join(part for part in either if part)
    if wanted.get("delivery_days"):
        more_days = _more(wanted["delivery_days"], "day")
        return f"{both}, {more_days}" if both else more_days
    return both or DASH


def _more(number: float, thing: str) -> str:
    return f"{count(number)} more {thing}{'' if number == 1 else 's'}"


def moment(value: dt.datetime | None) -> str:
    """A point in time, UTC."""
    return DASH if value is None else f"{value:%Y-%m-%d %H:%M} UTC"
