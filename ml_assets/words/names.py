"""Names of entities as they may stand in a title: on one line, cut, without what could be read as markup."""

import polars as pl

OWN_LENGTH = 80
OTHER_LENGTH = 50
"""Characters kept of the name of the entity itself and of one beside or above it: a title holds up to
three names in 255 characters."""

_LOOK_ALIKES = {
    "[": "(", "{": "(", "]": ")", "}": ")", "|": "/", "<": "‹", ">": "›",
    "'": "’", '"': "’", "`": "’",
}  # fmt: skip
"""What markup of terminals, Markdown and HTML is made of, and what stands in for it."""


def clean_names(entities: pl.DataFrame) -> pl.DataFrame:
    """`config_id, entity_type, entity_id, name` of an ENTITIES frame; the id where there is no name."""
    key = ["config_id", "entity_type", "entity_id"]
    return entities.select(
        *key, name=pl.coalesce(_cleaned(pl.col("name")), _cleaned(pl.col("entity_id")))
    ).unique(key, keep="any")


def with_name(
    frame: pl.DataFrame, names: pl.DataFrame, level: pl.Expr, entity_id: str, alias: str, length: int
) -> pl.DataFrame:
    """`frame` with the quoted name of the entity `entity_id` of `level` as `alias`; null without an id."""
    known = names.rename({"entity_type": "_level", "entity_id": "_id", "name": "_name"})
    name = pl.coalesce(pl.col("_name"), _cleaned(pl.col(entity_id)))
    cut = (
        pl.when(name.str.len_chars() > length)
        .then(name.str.slice(0, length - 1).str.strip_chars_end() + "…")
        .otherwise(name)
    )
    return (
        frame.with_columns(_level=level.cast(pl.String), _id=pl.col(entity_id).cast(pl.String))
        .join(known, on=["config_id", "_level", "_id"], how="left", maintain_order="left")
        .with_columns((pl.lit("'") + cut + "'").alias(alias))
        .drop("_level", "_id", "_name")
    )


def _cleaned(name: pl.Expr) -> pl.Expr:
    """One line without control and invisible characters and without markup; null where nothing is left."""
    text = (
        name.str.replace_all(r"[\p{Cc}\s]+", " ")
        .str.replace_all(r"\p{Cf}+", "")
        .str.replace_many(list(_LOOK_ALIKES), list(_LOOK_ALIKES.values()))
        .str.strip_chars()
    )
    return pl.when(text.str.len_chars() > 0).then(text)
