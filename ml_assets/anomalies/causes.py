"""What deviations are signs of: the cause behind a metric, what explains what, and what a cause is called."""

CAUSES = {"spend": "spend", "cpm": "cpm", "ctr": "ctr", "cvr": "leads", "cpl": "leads"}
"""Metric -> what it is a sign of: leads per click and leads per spend are two views of one thing."""

EXPLAINS = {"leads": (("spend", -1), ("cpm", 1), ("ctr", -1), ("leads", -1))}
"""Cause -> (cause, sign) that explain a fall of it along the metric tree, turned round a rise."""

WHOLE = ("ZERO_SPEND", "TRACKING_BREAK")
"""Kinds whose first day often is only in part so: what stops at noon has spent and brought leads that day."""

GONE = 0.25
"""Share of the expected leads up to which they count as gone: tracking breaks, demand wanes."""

NEARLY_NOTHING = 1e-9


def kind_of(metric: str, sign: int, observed: float, expected: float) -> str:
    """The kind of an incident whose root is off in `metric`; figures of the numerator, money or counts."""
    if metric == "spend" and sign < 0:
        return "ZERO_SPEND" if observed <= NEARLY_NOTHING else "SPEND_DROP"
    if CAUSES[metric] == "leads" and sign < 0 and observed <= GONE * expected:
        return "TRACKING_BREAK"
    if metric == "cpl":  # of the leads that the spend brought: fewer leads are dearer ones
        sign = -sign
    return f"{metric.upper()}_{'SPIKE' if sign > 0 else 'DROP'}"


def cause_of(kind: str) -> tuple[str, int]:
    """The cause and sign that a kind of incident is of."""
    if kind in ("ZERO_SPEND", "SPEND_DROP"):
        return "spend", -1
    if kind in ("TRACKING_BREAK", "LEADS_DROP"):
        return "leads", -1
    metric, _, move = kind.lower().partition("_")
    sign = 1 if move == "spike" else -1
    return CAUSES.get(metric, metric), -sign if metric == "cpl" else sign
