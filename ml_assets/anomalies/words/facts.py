"""What is to be told of incidents and anomalies, in numbers and names: one row each, in their order."""

import math
from collections.abc import Mapping

import polars as pl

from ml_assets.anomalies.attribution import read_attribution, read_series
from ml_assets.anomalies.frames import METRICS
from ml_assets.anomalies.words.values import CHILDREN
from ml_assets.entities import LEVELS
from ml_assets.words.names import OTHER_LENGTH, OWN_LENGTH, clean_names, with_name

PARENTS = {level.value: level.parent.value for level in LEVELS if level.parent is not None}

EXPLAINS = 0.75
"""Share of the change that the children named as its place have together, at least."""


def incident_facts(
    incidents: pl.DataFrame,
    names: pl.DataFrame,
    accounts: pl.DataFrame,
    parts: Mapping[str, Mapping[str, float]],
) -> pl.DataFrame:
    """Incidents with names, what their document says, and where and by what they came about.

    `observed`, `expected` and `ratio` are those of the last day on which it showed. `children` is how many of
    the entities below have `EXPLAINS` of the change together, `child_share` what they have; `child_1` and
    `child_2` name the first of them. `cause` is the largest of the `parts` of the kind's metric,
    `cause_share` what it has of the change, `cause_change` its own change (of the logarithm). All these are
    of the evaluated day, and null where it did not show on that day. `is_back` is whether that day was within
    the band.
    """
    own = incidents.drop("description", "attribution").with_row_index("row")
    is_seen = (pl.col("last_date") >= pl.col("evaluated_date")).fill_null(value=False)
    document = read_attribution(incidents).with_columns(
        pl.when(incidents.select(is_seen).to_series()).then(pl.col(name)).alias(name)
        for name in ("metrics", "rate_mix", "shares")
    )
    document = document.with_row_index("row")
    series = read_series(incidents)
    last_day = series.select("row", last_date="date", day_observed="observed", day_expected="expected")
    # a cost per lead has no upper end where no lead at all is within the band
    is_within = (pl.col("observed") >= pl.col("lower")) & (
        pl.col("observed") <= pl.col("upper").fill_null(math.inf)
    )
    evaluated = series.select("row", evaluated_date="date", is_back=is_within)
    named = pl.col("kind").str.replace(r"_(SPIKE|DROP)$", "").str.to_lowercase()
    own_metric = pl.when(named.is_in(METRICS)).then(named)
    # values of another metric than the kind's would be told in the wrong unit
    is_own = pl.coalesce(pl.col("metric") == own_metric, pl.lit(value=True))
    frame = (
        own.join(document.drop("shares", "series"), on="row", how="left", maintain_order="left")
        .join(last_day, on=["row", "last_date"], how="left", maintain_order="left", validate="m:1")
        .join(evaluated, on=["row", "evaluated_date"], how="left", maintain_order="left", validate="m:1")
        .with_columns(
            pl.when(is_own).then(pl.coalesce("day_observed", "observed")).alias("observed"),
            pl.when(is_own).then(pl.coalesce("day_expected", "expected")).alias("expected"),
            pl.coalesce(own_metric, "metric").alias("metric"),
            pl.col("is_provisional").fill_null(value=False),
            is_levels=(pl.col("metric") == "levels").fill_null(value=False),
            is_up=pl.col("kind").str.ends_with("_SPIKE"),
            is_ongoing=(pl.col("status") == "open")
            & (pl.col("last_date") >= pl.col("evaluated_date"))
            & (pl.col("onset_date") < pl.col("last_date")),
            mix=pl.col("rate_mix").struct.field("mix"),
        )
        .with_columns(ratio=_ratio())
    )
    frame = _with_cause(frame, parts)
    frame = _with_context(frame, names, accounts)
    return frame.join(_where(own, document, names), on="row", how="left", maintain_order="left")


def anomaly_facts(anomalies: pl.DataFrame, names: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Anomalies with the name of the entity and the currency; `metric`, `observed`, `expected`, the band."""
    own = anomalies.drop("description").rename(
        {
            "metric_name": "metric",
            "observed_value": "observed",
            "expected_value": "expected",
            "lower_value": "lower",
            "upper_value": "upper",
        }
    )
    return _with_context(own, names, accounts)


def _ratio() -> pl.Expr:
    """Observed to expected; null where nothing was expected."""
    return pl.when(pl.col("expected") > 0).then(pl.col("observed") / pl.col("expected"))


def _with_context(frame: pl.DataFrame, names: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """`frame` with `name` and `parent_name`, quoted, and `currency`."""
    known = clean_names(names)
    named = with_name(frame, known, pl.col("entity_type"), "entity_id", "name", OWN_LENGTH)
    parent = pl.col("entity_type").replace_strict(PARENTS, default=None, return_dtype=pl.String)
    named = with_name(named, known, parent, "parent_id", "parent_name", OTHER_LENGTH)
    return named.join(
        accounts.select("config_id", "currency").unique("config_id", keep="any"),
        on="config_id", how="left", maintain_order="left",
    )  # fmt: skip


def _with_cause(frame: pl.DataFrame, parts: Mapping[str, Mapping[str, float]]) -> pl.DataFrame:
    """The part of the kind's metric that has most of its change."""
    metrics = pl.col("metrics").struct
    of_kind = {
        kind: [
            pl.struct(
                cause=pl.lit(name),
                cause_change=metrics.field(name),
                cause_share=sign
                * metrics.field(name)
                / pl.sum_horizontal(
                    [factor * metrics.field(other) for other, factor in weights.items()], ignore_nulls=False
                ),
            )
            for name, sign in weights.items()
        ]
        for kind, weights in parts.items()
    }
    empty = pl.lit(
        None, dtype=pl.Struct({"cause": pl.String, "cause_change": pl.Float64, "cause_share": pl.Float64})
    )
    causes = {
        kind: pl.concat_list(options)
        .list.eval(
            pl.element().sort_by(pl.element().struct.field("cause_share"), descending=True, nulls_last=True)
        )
        .list.first()
        for kind, options in of_kind.items()
    }
    chosen = pl.coalesce(
        empty, *(pl.when(pl.col("kind") == kind).then(cause) for kind, cause in causes.items())
    )
    return frame.with_columns(found_cause=chosen).unnest("found_cause")


def _where(own: pl.DataFrame, document: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """row, children, child_share, child_1, child_2: what the change comes from, one level below the root."""
    shares = (
        document.select("row", "shares")
        .explode("shares")
        .drop_nulls("shares")
        .with_columns(pl.col("shares").struct.rename_fields(["child_type", "child_id", "share"]))
        .unnest("shares")
        .join(own.select("row", "config_id", "entity_type"), on="row", how="inner")
        .filter(
            pl.col("share") > 0,
            pl.col("child_type")
            == pl.col("entity_type").replace_strict(CHILDREN, default=None, return_dtype=pl.String),
        )
        .sort("row", "share", "child_id", descending=[False, True, False])
        .with_columns(before=pl.col("share").cum_sum().over("row") - pl.col("share"))
        .filter(pl.col("before") < EXPLAINS)
    )
    named = with_name(
        shares, clean_names(names), pl.col("child_type"), "child_id", "child_name", OTHER_LENGTH
    )
    return (
        named.group_by("row", maintain_order=True)
        .agg(
            children=pl.len(),
            child_share=pl.col("share").sum(),
            child_1=pl.col("child_name").first(),
            child_2=pl.col("child_name").get(1, null_on_oob=True),
        )
        # together they must have most of it, else it is not theirs
        .filter(pl.col("child_share") >= EXPLAINS)
    )
