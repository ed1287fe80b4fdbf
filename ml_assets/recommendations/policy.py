"""The thresholds of every decision, declared once: name, default, unit, source class and meaning.

`Policy` is what rules, guards and plan are given; an account may override single thresholds in `ml_policies`.
Nothing is decided here.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

from ml_assets.errors import UsageError

DEFAULT_VERSION = "1"
"""Version of the defaults below; raised with every change of one."""

SOURCES = {
    "first_party": "Meta's own documentation of how delivery behaves",
    "convention": "practice of the trade or of statistics; a choice, not a measurement",
    "own_data": "measured on accounts with known truth (docs/decisions.md)",
}
"""Source classes of a threshold."""


def _threshold(
    default: float, unit: str, source: str, low: float, high: float, doc: str, *, is_whole: bool = False
) -> Any:  # noqa: ANN401 - a dataclass field stands in for a value of any type
    if source not in SOURCES:
        raise ValueError(f"{source} is not a source class")
    metadata = {
        "unit": unit,
        "source": source,
        "low": low,
        "high": high,
        "is_whole": is_whole,
        "doc": doc,
    }
    return field(default=default, metadata=metadata)


def _probability(default: float, source: str, doc: str, low: float = 0.0) -> Any:  # noqa: ANN401
    return _threshold(default, "probability", source, low, 1.0, doc)


def _fraction(default: float, source: str, doc: str, low: float = 0.0) -> Any:  # noqa: ANN401
    return _threshold(default, "fraction", source, low, 1.0, doc)


def _number(default: float, unit: str, source: str, doc: str, low: float = 0.0, high: float = 1e6) -> Any:  # noqa: ANN401
    return _threshold(default, unit, source, low, high, doc)


def _count(default: int, unit: str, doc: str, low: int, high: int) -> Any:  # noqa: ANN401
    return _threshold(default, unit, "convention", low, high, doc, is_whole=True)


_ORDERED = (
    # What issues a rule cannot lie below what withdraws it: it would be given and withdrawn by turns.
    *(("withdraw", issues) for issues in (
        "scale_up", "budget_increase", "budget_decrease", "pause", "pause_worst", "winner", "reactivate",
        "review", "expansion", "narrowing",
    )),
    # From a cut to a stop to a stop under a campaign budget, each takes more than the one before.
    ("budget_decrease_cpl", "pause_cpl"), ("pause_cpl", "child_pause_cpl"),
    # A change outside the guard's limits would always be blocked.
    ("least_step", "increase_step"), ("least_step", "scale_up_step"), ("least_step", "decrease_step"),
    ("increase_step", "step"), ("scale_up_step", "step"), ("decrease_step", "step"), ("step", "step_14d"),
    ("issued_campaign_share", "issued_adset_share"),
)  # fmt: skip
"""Pairs of thresholds of which the first must not be above the second."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One version of the thresholds. Relative CPLs are multiples of the target T."""

    version: str = field(default=DEFAULT_VERSION, metadata={"doc": "Name of this set of thresholds"})

    # Below one half a rule and its opposite could both stand.
    withdraw: float = _probability(0.60, "own_data", "A rule's probability below which it is withdrawn", 0.5)

    older_days: int = _count(
        42, "days", "Days before the 14 of the estimate that make the longer record", 1, 56
    )
    older_weight: float = _fraction(
        1.0, "own_data", "Weight of those days: how far a lead rate stays what it was"
    )

    scale_up: float = _probability(0.975, "own_data", "SCALE_UP: P(CPL < T) at least")
    scale_up_cpl: float = _number(
        0.8, "x T", "convention", "SCALE_UP: relative CPL it must likely be below", 0.1, 1.0
    )
    scale_up_below_cpl: float = _probability(0.50, "own_data", "SCALE_UP: P(CPL < scale_up_cpl x T) at least")
    budget_increase: float = _probability(0.90, "own_data", "BUDGET_INCREASE: P(CPL < T) at least")
    budget_increase_falling: float = _probability(
        0.80, "convention", "BUDGET_INCREASE: P(leads are falling) below"
    )
    budget_decrease: float = _probability(
        0.95, "own_data", "BUDGET_DECREASE: P(CPL > budget_decrease_cpl x T) at least"
    )
    budget_decrease_cpl: float = _number(
        1.2, "x T", "convention", "BUDGET_DECREASE: relative CPL above", 1.0, 100.0
    )
    pause: float = _probability(0.95, "own_data", "PAUSE: P(CPL > pause_cpl x T) at least")
    pause_cpl: float = _number(1.5, "x T", "convention", "PAUSE: relative CPL above", 1.0, 100.0)
    pause_expected_leads: float = _number(2.0, "leads", "own_data", "PAUSE: own expected leads e at least")
    pause_worst: float = _probability(0.95, "own_data", "PAUSE: P(worst of siblings) at least")
    pause_worst_above_target: float = _probability(
        0.90, "own_data", "PAUSE as worst of siblings: P(CPL > T) at least"
    )
    winner: float = _probability(0.99, "own_data", "CREATIVE_WINNER: P(best of siblings) at least")
    winner_leads: float = _number(5, "leads", "convention", "CREATIVE_WINNER: own leads n at least")
    winner_uplift: float = _fraction(
        0.10, "convention", "CREATIVE_WINNER: CPL below that of the siblings by at least"
    )
    reactivate: float = _probability(0.90, "convention", "REACTIVATE: P(CPL < T) of the record at least")
    reactivate_leads: float = _number(5, "leads", "convention", "REACTIVATE: leads of the record at least")
    reactivate_record_days: float = _count(30, "days", "REACTIVATE: active days that make the record", 1, 60)
    reactivate_paused_days: float = _count(60, "days", "REACTIVATE: paused at most", 1, 60)
    refresh_frequency: float = _number(
        3.0,
        "impressions per person in 7 days",
        "first_party",
        "CREATIVE_REFRESH of a LIMITED ad: frequency at least",
    )
    review_fall: float = _fraction(
        0.20, "convention", "AUDIENCE_REVIEW: fall of the lead rate against the week before"
    )
    review: float = _probability(
        0.90, "own_data", "AUDIENCE_REVIEW: P(lead rate fell by review_fall) at least"
    )
    review_ctr_falling: float = _probability(0.50, "convention", "AUDIENCE_REVIEW: P(CTR falling) below")
    review_overlap: float = _fraction(0.50, "convention", "AUDIENCE_REVIEW: audience overlap at least")
    expansion: float = _probability(
        0.90, "own_data", "AUDIENCE_EXPANSION: P(CPL < expansion_cpl x T) at least"
    )
    expansion_cpl: float = _number(
        0.9, "x T", "convention", "AUDIENCE_EXPANSION: relative CPL below", 0.1, 1.0
    )
    expansion_share: float = _fraction(
        0.30, "convention", "AUDIENCE_EXPANSION: share of the parent's spend below"
    )
    expansion_frequency: float = _number(
        2.5, "impressions per person in 7 days", "first_party", "AUDIENCE_EXPANSION: frequency at least, or"
    )
    expansion_utilisation: float = _fraction(
        0.90, "convention", "AUDIENCE_EXPANSION: share of the budget spent below"
    )
    narrowing: float = _probability(
        0.90, "own_data", "AUDIENCE_NARROWING: P(CPL > narrowing_cpl x T) at least"
    )
    narrowing_cpl: float = _number(
        1.2, "x T", "convention", "AUDIENCE_NARROWING: relative CPL above", 1.0, 100.0
    )
    narrowing_ctr: float = _probability(0.50, "convention", "AUDIENCE_NARROWING: P(CTR >= parent's) at least")
    narrowing_cvr: float = _probability(
        0.90, "own_data", "AUDIENCE_NARROWING: P(CVR < narrowing_cvr_ratio x the parent's) at least"
    )
    narrowing_cvr_ratio: float = _fraction(
        0.70, "convention", "AUDIENCE_NARROWING: CVR below this share of the parent's"
    )
    test_impressions: float = _number(
        1000, "impressions in 7 days", "convention", "CREATIVE_TEST: traffic at least"
    )
    test_weeks: float = _number(
        4, "weeks", "convention", "CREATIVE_TEST: how long knowing the better ad pays", 1, 52
    )

    learning_factor: float = _number(
        2.0,
        "x",
        "first_party",
        "Guard learning: in LEARNING a rule needs so many times its least evidence",
        1,
    )
    edit_hours: float = _number(72, "hours", "first_party", "Guard recent_edit: an edit is younger than")
    maturity: float = _fraction(0.80, "own_data", "Guard immature: share of final leads visible below")
    cooldown_hours: float = _number(
        72, "hours", "first_party", "Guard cooldown: hours since a change, at least"
    )
    cooldown_leads: float = _number(
        3.0, "leads", "convention", "Guard cooldown: expected leads since a change, at least"
    )
    step: float = _fraction(0.20, "first_party", "Guard step: largest single change of a budget", 0.01)
    step_14d: float = _fraction(0.50, "convention", "Guard step: largest rise of a budget in 14 days", 0.01)
    least_step: float = _fraction(
        0.05, "convention", "Guard step: a smaller change is not worth a learning phase"
    )
    utilisation: float = _fraction(0.90, "convention", "Guard utilisation: share of the budget spent below")
    child_pause_cpl: float = _number(
        2.0, "x T", "convention", "Guard campaign_budget_child: relative CPL above", 1.0, 100.0
    )
    child_pause: float = _probability(
        0.95, "own_data", "Guard campaign_budget_child: P(CPL > child_pause_cpl x T) at least"
    )

    increase_step: float = _fraction(0.10, "convention", "Budget change of BUDGET_INCREASE", 0.01)
    scale_up_step: float = _fraction(0.20, "first_party", "Budget change of SCALE_UP", 0.01)
    decrease_step: float = _fraction(0.20, "first_party", "Budget change of BUDGET_DECREASE", 0.01)
    elasticity: float = _number(
        0.8, "d ln leads / d ln budget", "convention", "Diminishing returns of budget", 0.1, 1.0
    )
    elasticity_sd: float = _number(
        0.15, "d ln leads / d ln budget", "convention", "Standard deviation of elasticity", 0.0, 0.5
    )

    issued_per_day: float = _count(
        10, "recommendations", "Issued per account and day at most, all levels", 1, 1000
    )
    issued_campaign_share: float = _fraction(
        0.3, "convention", "Share of issued_per_day that campaigns may take"
    )
    issued_adset_share: float = _fraction(
        0.6, "convention", "Share of issued_per_day that campaigns and adsets together may take"
    )
    candidates: float = _count(3, "recommendations", "Candidates kept per entity", 1, 11)
    incumbent: float = _number(
        1.25,
        "x money",
        "own_data",
        "How much more money a new one needs to displace one that stands",
        1.0,
        100.0,
    )
    case_days: float = _count(7, "days", "A recommendation that is not renewed expires after", 1, 13)
    quiet_days: float = _count(7, "days", "Not given again for so long after it was withdrawn", 0, 14)
    dismissed_days: float = _count(14, "days", "Not raised again for so long after it was dismissed", 0, 14)
    evidence_growth: float = _number(
        1.5, "x weight of evidence", "convention", "Growth that ends a quiet period early", 1.0, 100.0
    )

    def __post_init__(self) -> None:
        """Refuse thresholds that no policy can have."""
        for item in thresholds():
            _require_in_range(item, getattr(self, item.name))
        for low_name, high_name in _ORDERED:
            low, high = getattr(self, low_name), getattr(self, high_name)
            if low > high:
                raise UsageError(
                    f"The threshold {low_name} ({low:g}) must not be above {high_name} ({high:g})."
                )

    def changed(self, overrides: Mapping[str, float], version: str) -> "Policy":
        """This policy with some thresholds replaced. Raises UsageError for an unknown name or a bad value."""
        known = [item.name for item in thresholds()]
        for name in overrides:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                raise UsageError(f"There is no threshold {name}.{hint} `ml-assets policy show` lists them.")
        return replace(self, **overrides, version=version)


def thresholds() -> list[Field[Any]]:
    """The fields of `Policy` that are thresholds; their metadata has unit, source, low, high and doc."""
    return [item for item in fields(Policy) if "unit" in item.metadata]


def _require_in_range(item: Field[Any], value: Any) -> None:  # noqa: ANN401 - a stored value is of any type
    low, high, is_whole = (item.metadata[name] for name in ("low", "high", "is_whole"))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # In this order: not-a-number and infinity fail the range, and have no integer to compare with.
    if not is_number or not low <= value <= high or (is_whole and value != int(value)):
        kind = "whole number" if is_whole else "number"
        raise UsageError(
            f"The threshold {item.name} is a {kind} from {low:g} to {high:g} ({item.metadata['unit']}), "
            f"not {value!r}."
        )
