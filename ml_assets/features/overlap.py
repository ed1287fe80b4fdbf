"""Audience overlap of adsets: how alike two siblings' declared targetings are, and how much they ran together.

Meta does not tell which people two adsets share; what is compared is what was declared, hence the method's
name `declared_targeting`. Each dimension gives an overlap coefficient |A and B| / min(|A|, |B|): a broad set
contains a narrow one, and a dimension one side leaves open overlaps wholly. The coefficients are joined as a
weighted geometric mean, so two adsets in different countries do not overlap however alike they are otherwise.
"""

import numpy as np
import polars as pl

from ml_assets.features.grid import FloatArray, IntArray, LevelGrid

METHOD = "declared_targeting"

WEIGHTS: dict[str, float] = {
    "age": 0.20,
    "gender": 0.15,
    "geography": 0.25,
    "placements": 0.10,
    "interests": 0.15,
    "audiences": 0.15,
}
"""Weights of the dimensions; they sum to 1."""

SOFT_FLOOR = 0.2
"""Least coefficient of interests and audiences: disjoint lists still share people."""

COMMON_DAYS = 30
"""Days over which common spend is measured."""

_AGE_FROM, _AGE_TO = 13, 65

_LISTS: dict[str, tuple[str, str]] = {
    "gender": ("$.genders", r"\d+"),
    "countries": ("$.geo_locations", r'"(?:countries"\s*:\s*\[[^\]]*|country"\s*:\s*"[^"]*)'),
    "places": ("$.geo_locations", r'"key"\s*:\s*"?[^",}\]]+'),
    "placements": ("$.publisher_platforms", r"[a-z_]+"),
    "interests": ("$.flexible_spec", r'"id"\s*:\s*"?[^",}\]]+'),
    "audiences": ("$.custom_audiences", r'"id"\s*:\s*"?[^",}\]]+'),
    "excluded": ("$.excluded_custom_audiences", r'"id"\s*:\s*"?[^",}\]]+'),
}
"""List -> where it stands in Meta's targeting JSON, and what an item looks like there."""


def targeting_likeness(pairs: pl.DataFrame) -> pl.DataFrame:
    """`pairs` (columns `targeting_a`, `targeting_b`: JSON texts) with `likeness` in [0, 1].

    Null where either side is null or not JSON.
    """
    sides = [_declared(pl.col(f"targeting_{side}"), side) for side in ("a", "b")]
    low = pl.max_horizontal("age_from_a", "age_from_b")
    high = pl.min_horizontal("age_to_a", "age_to_b")
    narrower = pl.min_horizontal(
        pl.col("age_to_a") - pl.col("age_from_a") + 1, pl.col("age_to_b") - pl.col("age_from_b") + 1
    )
    excluded = pl.max_horizontal(
        *(
            pl.col(f"excluded_{one}").list.set_intersection(f"audiences_{other}").list.len()
            for one, other in (("a", "b"), ("b", "a"))
        )
    )
    coefficient = {
        "age": ((high - low + 1) / narrower).clip(0.0, 1.0),
        "gender": _coefficient("gender"),
        "geography": _coefficient("countries") * _coefficient("places"),
        "placements": _coefficient("placements"),
        "interests": _coefficient("interests").clip(SOFT_FLOOR, 1.0),
        "audiences": pl.when(excluded > 0)
        .then(0.0)
        .otherwise(_coefficient("audiences").clip(SOFT_FLOOR, 1.0)),
    }
    logs = [WEIGHTS[name] * value.log() for name, value in coefficient.items()]
    return (
        pairs.with_columns(expression for side in sides for expression in side)
        .with_columns(likeness=pl.sum_horizontal(logs, ignore_nulls=False).exp())
        .select(*pairs.columns, "likeness")
    )


def _declared(targeting: pl.Expr, side: str) -> list[pl.Expr]:
    """The dimensions of one side as columns `<dimension>_<side>`; open ones are empty lists."""
    known = targeting.is_not_null() & targeting.str.contains(r"^\s*\{")
    suggested = targeting.str.contains(r'"advantage_audience"\s*:\s*1').fill_null(value=False)

    def age(path: str, default: int) -> pl.Expr:
        declared = targeting.str.json_path_match(path).cast(pl.Float64, strict=False)
        return pl.when(known).then(pl.when(suggested).then(default).otherwise(declared.fill_null(default)))

    def items(name: str) -> pl.Expr:
        path, item = _LISTS[name]
        found = (
            targeting.str.json_path_match(path).fill_null("").str.to_lowercase().str.extract_all(item.lower())
        )
        if name == "countries":
            codes = found.list.join(" ").str.extract_all(r'"[a-z]{2}"')
            return pl.when(known).then(codes.list.unique())
        if name == "interests":
            found = pl.when(suggested).then(pl.lit([], dtype=pl.List(pl.String))).otherwise(found)
        return pl.when(known).then(found.list.eval(pl.element().str.replace_all(r"[\s\"]", "")).list.unique())

    return [
        age("$.age_min", _AGE_FROM).alias(f"age_from_{side}"),
        age("$.age_max", _AGE_TO).alias(f"age_to_{side}"),
        *(items(name).alias(f"{name}_{side}") for name in _LISTS),
    ]


def _coefficient(name: str) -> pl.Expr:
    """Overlap coefficient of two lists; 1 where either is open."""
    a, b = pl.col(f"{name}_a"), pl.col(f"{name}_b")
    smaller = pl.min_horizontal(a.list.len(), b.list.len())
    return pl.when(smaller == 0).then(1.0).otherwise(a.list.set_intersection(b).list.len() / smaller)


def overlap_columns(level: LevelGrid, at: IntArray, state: pl.DataFrame) -> pl.DataFrame:
    """row, column, audience_overlap_score, overlap_with for adsets with an active sibling.

    `state` has row, column (position in `at`), parent (group), entity_id, targeting and is_active per adset
    and date. The score is the likeness
    with the most alike active sibling times the share of both spends that ran on common days (30 days); null
    targeting gives no row.
    """
    active = state.filter(pl.col("is_active"), pl.col("targeting").is_not_null())
    sides = [active.select(pl.all().name.suffix(f"_{side}")) for side in ("a", "b")]
    pairs = (
        sides[0]
        .join(sides[1], left_on=["parent_a", "column_a"], right_on=["parent_b", "column_b"], how="inner")
        .filter(pl.col("row_a") < pl.col("row_b"))
    )
    if pairs.is_empty():
        return pl.DataFrame(
            schema={
                "row": pl.Int64,
                "column": pl.Int64,
                "audience_overlap_score": pl.Float64,
                "overlap_with": pl.String,
            }
        )
    alike = targeting_likeness(pairs.select("targeting_a", "targeting_b").unique())
    pairs = pairs.join(alike, on=["targeting_a", "targeting_b"], how="left").filter(
        pl.col("likeness").is_not_null()
    )
    scored = pairs.with_columns(
        audience_overlap_score=pl.col("likeness")
        * _common_spend(
            level, at, pairs["row_a"].to_numpy(), pairs["row_b"].to_numpy(), pairs["column_a"].to_numpy()
        )
    )
    both = pl.concat(
        scored.select(
            pl.col(f"row_{own}").alias("row"),
            pl.col("column_a").alias("column"),
            "audience_overlap_score",
            pl.col(f"entity_id_{other}").alias("overlap_with"),
        )
        for own, other in (("a", "b"), ("b", "a"))
    )
    return (
        both.sort("audience_overlap_score", "overlap_with", descending=[True, False])
        .group_by("row", "column", maintain_order=True)
        .first()
    )


def _common_spend(
    level: LevelGrid, at: IntArray, row_a: IntArray, row_b: IntArray, column: IntArray
) -> FloatArray:
    """Share of both spends of 30 days that ran on days on which both spent; 0 without spend."""
    common = np.zeros(row_a.size)
    total = np.zeros(row_a.size)
    spend = level.values["spend"]
    for lag in range(COMMON_DAYS):
        day = at[column] - lag
        inside = day >= 0
        a = np.where(inside, spend[row_a, np.maximum(day, 0)], 0)
        b = np.where(inside, spend[row_b, np.maximum(day, 0)], 0)
        total += a + b
        common += np.where((a > 0) & (b > 0), a + b, 0)
    return np.divide(common, total, out=np.zeros_like(total), where=total > 0)
