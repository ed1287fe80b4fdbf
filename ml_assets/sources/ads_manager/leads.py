"""Which results of an export are leads, what else its entities seek, and what that says of the account.

Meta counts in Results whatever the adset optimises for; only the result indicator tells whether that is
a lead. A blank result is zero leads only where leads are what is sought.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ml_assets.entities import EntityType
from ml_assets.sources.ads_manager.words import (
    ACTION_OF_WORD,
    GOAL_OF_ACTION,
    LEAD,
    LEAD_ACTIONS,
    META_LEAD,
    OBJECTIVE_OF_ACTION,
    PIXEL_LEAD,
    action_type,
)

LEAD_COLUMNS = ("leads", "meta_leads", "website_leads")


@dataclass(frozen=True)
class CountedLeads:
    """Rows with `leads` counted, and how they were.

    `frame` has `leads` (Float64; null where the file does not say) and `action` (Meta's action type of
    the result indicator, null where blank). `actions` are what counts as a lead, None without any seen;
    `other_actions` what else is sought, most frequent first; `counted` every action that counts; `how`
    a clause about it.
    """

    frame: pl.DataFrame
    actions: tuple[str, ...] | None
    other_actions: tuple[str, ...]
    counted: tuple[str, ...]
    how: str


def canonical_actions(actions: Sequence[str]) -> tuple[str, ...]:
    """Action types as the files' indicators are read, so that aliases of one action meet."""
    return tuple(ACTION_OF_WORD.get(action.strip().lower(), action.strip().lower()) for action in actions)


def _counting(accepted: Sequence[str]) -> tuple[str, ...]:
    """`accepted` with the forms of a lead that it includes: `lead` is on-Meta plus pixel already."""
    if LEAD in accepted or {META_LEAD, PIXEL_LEAD} <= set(accepted):
        return tuple(dict.fromkeys((*accepted, *LEAD_ACTIONS)))
    return tuple(accepted)


def _lead_column(columns: Sequence[str], accepted: Sequence[str]) -> tuple[pl.Expr | None, tuple[str, ...]]:
    """Leads from columns of their own, and which ones. Leads holds the sum of the two others already."""
    every = LEAD in accepted or {META_LEAD, PIXEL_LEAD} <= set(accepted)
    if every and "leads" in columns:
        return pl.col("leads").fill_null(0), ("leads",)
    parts = [
        name
        for name, action in (("meta_leads", META_LEAD), ("website_leads", PIXEL_LEAD))
        if name in columns and (every or action in accepted)
    ]
    return (
        (pl.sum_horizontal(pl.col(name).fill_null(0) for name in parts), tuple(parts))
        if parts
        else (None, ())
    )


def count_leads(
    frame: pl.DataFrame, level: EntityType, conversion_actions: Sequence[str] | None = None
) -> CountedLeads:
    """Counts the leads of typed rows.

    A column of leads is preferred; its blanks are zero. Else Results count where the indicator is a lead
    action. Blank results are zero where the adset has a lead action on any day (or, if it has no indicator
    at all, where its campaign has nothing but lead actions), and unknown (null) elsewhere.
    `conversion_actions`: what counts as a lead for the account; None for the usual lead actions.
    """
    accepted = canonical_actions(conversion_actions) if conversion_actions else LEAD_ACTIONS
    counted = _counting(accepted)
    indicator = action_type(pl.col("indicator")) if "indicator" in frame.columns else pl.lit(None, pl.String)
    if "indicator" in frame.columns:
        # Few different words stand in a million rows: translate each once.
        words = frame.select("indicator").unique().with_columns(indicator.alias("action"))
        frame = frame.join(words, on="indicator", how="left", nulls_equal=True, maintain_order="left")
    else:
        frame = frame.with_columns(indicator.alias("action"))
    filled = [
        name for name in LEAD_COLUMNS if name in frame.columns and frame[name].null_count() < frame.height
    ]
    own_column, names = _lead_column(filled, accepted)
    from_results, how = _from_results(frame, level, counted, is_beside=own_column is not None)
    if own_column is None:
        leads = from_results
    else:
        leads = own_column + from_results
        how = "Leads are the column " + " plus ".join(name.replace("_", " ") for name in names) + how
    frame = frame.with_columns(leads.cast(pl.Float64).alias("leads"))
    by_count = frame["action"].drop_nulls().value_counts(sort=True)["action"].to_list()
    seen = tuple(action for action in by_count if action in counted)
    # An account whose leads came from forms so far may have pixel leads tomorrow: `lead` holds both.
    if own_column is not None or set(seen) & set(LEAD_ACTIONS):
        seen = (LEAD, *(action for action in seen if action not in LEAD_ACTIONS))
    return CountedLeads(
        frame,
        tuple(accepted) if conversion_actions else (seen or None),
        tuple(action for action in by_count if action not in counted),
        counted,
        how,
    )


def _from_results(
    frame: pl.DataFrame, level: EntityType, counted: Sequence[str], *, is_beside: bool
) -> tuple[pl.Expr, str]:
    """Leads from Results, and words for how. Beside a column of leads only other actions count."""
    if not {"results", "indicator"} <= set(frame.columns):
        return pl.lit(0.0 if is_beside else None, pl.Float64), ""
    if is_beside:
        others = [action for action in counted if action not in LEAD_ACTIONS]
        extra = pl.when(pl.col("action").is_in(others)).then(pl.col("results")).fill_null(0)
        return extra, (f" plus the results of {', '.join(others)}" if others else "")
    is_lead = pl.col("action").is_in(counted)

    def told(key: str, seeks: pl.Expr) -> pl.Expr:
        return pl.when(pl.col("action").count().over(key) > 0).then(seeks.over(key))

    if level == EntityType.CAMPAIGN:
        sought = told("campaign_id", is_lead.any())
    else:
        # Adsets of one campaign may seek different things: it speaks for a silent one only if all agree.
        sought = pl.coalesce(told("adset_id", is_lead.any()), told("campaign_id", is_lead.all()))
    leads = (
        pl.when(is_lead)
        .then(pl.col("results").fill_null(0))
        .when(pl.col("action").is_null() & (pl.col("results").fill_null(0) == 0) & sought)
        .then(0.0)
    )
    return leads, "Leads are the results whose indicator is one of " + ", ".join(counted)


def goals(frame: pl.DataFrame, key: str, counted: Sequence[str]) -> pl.DataFrame:
    """`key`, `optimization_goal`, `objective` of entities, from their rows' `action`.

    A lead action on any row means leads; else the most frequent action counts. An accepted lead action of
    another kind (conversations, say) makes the objective OUTCOME_LEADS. Entities without any indicator
    have no row; an unknown action gives its own name in capitals and no objective.
    """
    per_action = (
        frame.filter(pl.col("action").is_not_null())
        .group_by(key, "action")
        .len()
        .with_columns(is_lead=pl.col("action").is_in(counted))
        .sort(key, "is_lead", "len", "action", descending=[False, True, True, False])
        .group_by(key, maintain_order=True)
        .first()
    )
    own_name = pl.col("action").str.to_uppercase().str.replace_all(r"[^A-Z0-9]+", "_").str.slice(0, 50)
    return per_action.select(
        key,
        optimization_goal=pl.col("action").replace_strict(GOAL_OF_ACTION, default=own_name),
        objective=pl.when(pl.col("is_lead"))
        .then(pl.lit("OUTCOME_LEADS"))
        .otherwise(
            pl.col("action").replace_strict(OBJECTIVE_OF_ACTION, default=None, return_dtype=pl.String)
        ),
    )
