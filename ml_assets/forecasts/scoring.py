"""How good forecasts were, once their days have come: coverage, errors, skill over the naive forecast.

Of a count that falls on a bound of an interval only a part of the probability belongs to the interval; such
a day counts as that part (randomised PIT; Czado, Gneiting & Held 2009). So a perfect forecast of rare leads
is 80 % inside its 80 % interval, too.
"""

from collections.abc import Sequence

import polars as pl

from ml_assets.entities import LEVELS
from ml_assets.forecasts.batch import WEEK
from ml_assets.forecasts.frames import METRICS

PIT_BOUNDS = (0.70, 0.90)
"""Share of days within the 80 % interval outside of which the stated probabilities are not to be trusted."""

LEAST_POINTS = 50
"""Days of forecasts below which coverage and skill say nothing."""

_KEY = ["config_id", "entity_type", "entity_id"]
_LEVEL_ABOVE = {level.value: level.parent.value for level in LEVELS if level.parent is not None}


def inside_80() -> pl.Expr:
    """The share of a scored day that lies inside its 80 % interval: 1, 0, or a part on a bound of a count."""
    actual, lower, upper = pl.col("actual_value"), pl.col("lower_80"), pl.col("upper_80")
    at_lower, at_upper = pl.col("inside_lower_80"), pl.col("inside_upper_80")
    one = pl.lit(1.0)
    return (
        pl.when((actual < lower) | (actual > upper))
        .then(0.0)
        .when((actual == lower) & at_lower.is_not_null())
        .then(at_lower)
        .when((actual == upper) & at_upper.is_not_null())
        .then(at_upper)
        .otherwise(one)
    )


def score(points: pl.DataFrame, figures: pl.DataFrame, by: Sequence[str] = ()) -> pl.DataFrame:
    """Per metric (and `by`, columns of `points`): how good the forecasts of days that have come were.

    `points` in SCORED_POINTS, `figures` in ENTITY_METRICS reaching a week before the first forecast date.
    Returns target_metric, `by`, points, coverage_80 and coverage_95 (fractions; of counts as the module
    says), mae, mae_naive, skill (1 - mae / mae_naive; null where the naive forecast made no error) and bias
    (fraction of what came). The naive forecast of a day is the last known same weekday, 0 where the entity
    had no row. Ratios have no naive forecast here: only additive metrics are scored.
    """
    came = points.filter(pl.col("target_metric").is_in(METRICS), pl.col("actual_value").is_not_null())
    ahead = (pl.col("target_date") - pl.col("forecast_date")).dt.total_days()
    weeks = (ahead + WEEK - 1) // WEEK
    naive = figures.select(*_KEY, "date", *METRICS).unpivot(
        on=METRICS, index=[*_KEY, "date"], variable_name="target_metric", value_name="naive"
    )
    both = came.with_columns(date=pl.col("target_date") - pl.duration(days=1) * (weeks * WEEK)).join(
        naive, on=[*_KEY, "date", "target_metric"], how="left"
    )
    actual, predicted = pl.col("actual_value"), pl.col("predicted_value")
    return (
        both.group_by("target_metric", *by)
        .agg(
            points=pl.len(),
            coverage_80=inside_80().mean(),
            coverage_95=actual.is_between("lower_95", "upper_95").mean(),
            mae=(actual - predicted).abs().mean(),
            mae_naive=(actual - pl.col("naive").fill_null(0.0)).abs().mean(),
            bias=pl.when(actual.sum() > 0).then((predicted - actual).sum() / actual.sum()),
        )
        .with_columns(skill=pl.when(pl.col("mae_naive") > 0).then(1.0 - pl.col("mae") / pl.col("mae_naive")))
        .sort("target_metric", *by)
    )


def largest_stored_gap(points: pl.DataFrame, forecasts: pl.DataFrame) -> float | None:
    """The largest |sum of children - parent| in the rows of two neighbouring levels; None without a pair.

    `points` in FORECAST_POINTS, `forecasts` in FORECASTS, both of both levels. A parent is compared with its
    children of the same account, forecast date and horizon where all of them are of one `as_of` and model
    version; where only some children were made anew, from newer figures, nothing is claimed.
    """
    same = ["config_id", "forecast_date", "horizon_days", "target_metric"]
    made = ["as_of", "model_version"]
    family = ["entity_type", "entity_id", *same]
    of_children = [*same, "level_above", "parent_id"]
    additive = forecasts.filter(pl.col("target_metric").is_in(METRICS))
    children = additive.filter(pl.col("parent_id").is_not_null()).with_columns(
        level_above=pl.col("entity_type").replace_strict(_LEVEL_ABOVE, default=None, return_dtype=pl.String)
    )
    pairs = (
        children.group_by(of_children)
        .agg(pl.col(made).first(), versions=pl.struct(made).n_unique())
        .filter(pl.col("versions") == 1)
        .join(
            additive.select(*same, *made, level_above="entity_type", parent_id="entity_id"),
            on=[*of_children, *made],
            how="semi",
            nulls_equal=True,
        )
    )
    days = points.select(*family, "target_date", "predicted_value")
    sums = (
        children.select(*family, "level_above", "parent_id")
        .join(pairs, on=of_children, how="semi")
        .join(days, on=family)
        .group_by(*of_children, "target_date")
        .agg(pl.col("predicted_value").sum())
    )
    above = days.rename({"entity_type": "level_above", "entity_id": "parent_id", "predicted_value": "above"})
    largest = (
        sums.join(above, on=[*of_children, "target_date"])
        .select((pl.col("predicted_value") - pl.col("above")).abs().max())
        .item()
    )
    return None if largest is None else float(largest)
