"""Meta's metrics as polars expressions: additive sums and the guarded ratios made of them.

A ratio is always made of pooled sums, never a mean of ratios, and is null where its denominator
is 0 or null. Names follow `docs/naming.md`: the metric, then its window (`cpl_7d`).
"""

import polars as pl

ADDITIVE = ("spend", "impressions", "clicks", "link_clicks", "leads")
"""Figures that add up over days and over children. Reach and frequency do not."""

MICROS = 1_000_000
"""Money is summed as integers, in millionths of a major unit, so that no sum depends on an order."""

RATIOS: dict[str, tuple[str, str, float]] = {
    "cpl": ("spend", "leads", 1.0),
    "ctr": ("clicks", "impressions", 1.0),
    "cpc": ("spend", "clicks", 1.0),
    "cpm": ("spend", "impressions", 1000.0),
    "cvr": ("leads", "clicks", 1.0),
}
"""Ratio -> (numerator, denominator, factor). Money per unit in major units; ctr, cvr fractions."""


def guarded_ratio(numerator: pl.Expr, denominator: pl.Expr, factor: float = 1.0) -> pl.Expr:
    """`factor * numerator / denominator`; null where the denominator is 0 or either side is null."""
    return pl.when(denominator > 0).then(factor * numerator / denominator)


def ratio(name: str, window: str = "") -> pl.Expr:
    """The ratio `name` from columns `<metric><window>`, e.g. ``ratio("cpl", "_7d")``.

    Raises KeyError for a name that is not in `RATIOS`.
    """
    numerator, denominator, factor = RATIOS[name]
    return guarded_ratio(pl.col(numerator + window), pl.col(denominator + window), factor)


def relative_change(now: pl.Expr, before: pl.Expr) -> pl.Expr:
    """`now / before - 1` as a fraction (+0.2 is +20 %); null where `before` is 0 or either is null."""
    return pl.when(before > 0).then(now / before - 1.0)
