"""Audience overlap of adsets from what they declared, and how much of their spend ran together.

Meta does not tell which people two adsets share; what is compared is what was declared, hence the method's
name `declared_targeting`. The overlap coefficient of two audiences is |A and B| / min(|A|, |B|). With the
dimensions taken as independent it is the larger of two products over the dimensions: the share of A that
lies in B, and the share of B that lies in A. So a broad audience contains a narrow one (1), two adsets in
different countries do not overlap (0), and two that are narrow in different ways overlap in part.
"""

import numpy as np
import polars as pl

from ml_assets.features.grid import FloatArray, IntArray, LevelGrid

METHOD = "declared_targeting"

WEIGHTS: dict[str, float] = {
    "age": 1.0,
    "gender": 1.0,
    "countries": 1.0,
    "regions": 1.0,
    "cities": 1.0,
    "placements": 0.5,
    "interests": 1.0,
    "audiences": 1.0,
}
"""Exponent of each dimension's share; placements count half, since people use several."""

OPEN_SHARE = 0.3
"""Share of an open dimension that a list in it is taken to cover, where its size is not declared."""

GENDER_SHARE = 0.5
"""Share of all people that one gender covers."""

DISJOINT_SHARE = 0.2
"""Share two disjoint lists of interests or audiences are taken to have in common: they share people."""

COMMON_DAYS = 30
"""Days over which common spend is measured."""

_AGE_FROM, _AGE_TO = 13, 65
_ALL_PLACEMENTS = ["facebook", "instagram", "audience_network", "messenger"]

_LISTS: dict[str, tuple[str, str]] = {
    "gender": ("$.genders", r"\d+"),
    "countries": ("$.geo_locations", r'"(?:countries"\s*:\s*\[[^\]]*|country"\s*:\s*"[^"]*")'),
    "regions": ("$.geo_locations", r'"region_id"\s*:\s*"?[^",}\]]+'),
    "region_keys": ("$.geo_locations.regions", r'"key"\s*:\s*"?[^",}\]]+'),
    "cities": ("$.geo_locations.cities", r'"key"\s*:\s*"?[^",}\]]+'),
    "placements": ("$.publisher_platforms", r"[a-z_]+"),
    "interests": ("$.flexible_spec", r'"id"\s*:\s*"?[^",}\]]+'),
    "audiences": ("$.custom_audiences", r'"id"\s*:\s*"?[^",}\]]+'),
    "excluded": ("$.excluded_custom_audiences", r'"id"\s*:\s*"?[^",}\]]+'),
}
"""List -> where it stands in Meta's targeting JSON, and what an item looks like there."""


def targeting_likeness(pairs: pl.DataFrame) -> pl.DataFrame:
    """`pairs` (columns `targeting_a`, `targeting_b`: JSON texts) with `likeness` in [0, 1].

    Symmetric. Null where either side is null or not a JSON object. An audience one side excludes and the
    other aims at makes it 0.
    """
    excluded = pl.sum_horizontal(
        _common(f"excluded_{one}", f"audiences_{other}") for one, other in (("a", "b"), ("b", "a"))
    )
    inside = pl.max_horizontal(
        *(
            pl.sum_horizontal(
                [weight * _share(name, one, other).log() for name, weight in WEIGHTS.items()],
                ignore_nulls=False,
            ).exp()
            for one, other in (("a", "b"), ("b", "a"))
        )
    )
    return (
        pairs.with_columns(
            item for side in ("a", "b") for item in _declared(pl.col(f"targeting_{side}"), side)
        )
        .with_columns(_with_region_keys(side) for side in ("a", "b"))
        .with_columns(likeness=pl.when(excluded > 0).then(0.0).otherwise(inside))
        .with_columns(
            pl.when(pl.col("age_from_a").is_not_null() & pl.col("age_from_b").is_not_null()).then("likeness")
        )
        .select(*pairs.columns, "likeness")
    )


def _declared(targeting: pl.Expr, side: str) -> list[pl.Expr]:
    """The dimensions of one side as columns `<dimension>_<side>`; open ones are empty lists."""
    known = targeting.str.json_path_match("$").str.starts_with("{").fill_null(value=False)
    suggested = targeting.str.contains(r'"advantage_audience"\s*:\s*1').fill_null(value=False)
    none = pl.lit([], dtype=pl.List(pl.String))

    def age(path: str, default: int) -> pl.Expr:
        declared = targeting.str.json_path_match(path).cast(pl.Float64, strict=False)
        return pl.when(known).then(pl.when(suggested).then(default).otherwise(declared.fill_null(default)))

    def items(name: str) -> pl.Expr:
        path, item = _LISTS[name]
        text = targeting.str.json_path_match(path).fill_null("").str.to_lowercase()
        found = text.str.extract_all(item)
        if name == "countries":
            found = found.list.join(" ").str.extract_all(r'"[a-z]{2}"')
        if name == "interests":  # with Advantage+ audience they are a suggestion, not a limit
            found = pl.when(suggested).then(none).otherwise(found)
        if name == "placements":
            found = pl.when(found.list.len() > 0).then(found).otherwise(pl.lit(_ALL_PLACEMENTS))
        keys = found.list.eval(pl.element().str.replace(r'^"(key|id|region_id)"\s*:\s*"?', ""))
        return pl.when(known).then(keys.list.unique())

    return [
        age("$.age_min", _AGE_FROM).alias(f"age_from_{side}"),
        age("$.age_max", _AGE_TO).alias(f"age_to_{side}"),
        *(items(name).alias(f"{name}_{side}") for name in _LISTS),
    ]


def _with_region_keys(side: str) -> pl.Expr:
    """Regions named as such and those of the cities: a city lies in its region."""
    return pl.col(f"regions_{side}").list.set_union(f"region_keys_{side}").alias(f"regions_{side}")


def _common(one: str, other: str) -> pl.Expr:
    return pl.col(one).list.set_intersection(pl.col(other)).list.len()


def _share(name: str, own: str, other: str) -> pl.Expr:
    """Share of the own side of a dimension that lies in the other side, in [0, 1]."""
    if name == "age":
        low = pl.max_horizontal("age_from_a", "age_from_b")
        high = pl.min_horizontal("age_to_a", "age_to_b")
        width = pl.col(f"age_to_{own}") - pl.col(f"age_from_{own}") + 1
        return ((high - low + 1) / width).clip(0.0, 1.0)
    mine, theirs = pl.col(f"{name}_{own}").list.len(), pl.col(f"{name}_{other}").list.len()
    least = DISJOINT_SHARE if name in ("interests", "audiences") else 0.0
    open_share = GENDER_SHARE if name == "gender" else OPEN_SHARE
    return (
        pl.when(theirs == 0)
        .then(1.0)
        .when(mine == 0)
        .then(open_share)
        .otherwise((_common(f"{name}_{own}", f"{name}_{other}") / mine).clip(least, 1.0))
    )


def overlap_columns(level: LevelGrid, at: IntArray, state: pl.DataFrame) -> pl.DataFrame:
    """row, column, audience_overlap_score, overlap_with for adsets with an active sibling.

    `state` has row, column (position in `at`), parent (group), entity_id, targeting and is_active per adset
    and date. A pair's score is its likeness times the share of both spends that ran on common days (30 days);
    an adset has that of the active sibling with the largest. Null targeting gives no row.
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
