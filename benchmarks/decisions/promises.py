"""Whether what was promised holds: probabilities against outcomes, money against the truth.

Frames as in `rates`. Money is per week in the account's currency.
"""

import polars as pl

from benchmarks.decisions.rates import CHEAP, TOO_DEAR, first_issues, judged
from ml_assets.recommendations.policy import Policy

EDGES = (0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99)
"""Borders of the bins of `probability`."""


def calibration(advice: pl.DataFrame, panel: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Per rule and bin of `probability`: rows in force, mean probability, share of which the claim is true.

    The claim is what the rule's probability is about: P(CPL > 1.5 T) of `hopeless_cpl` and so on. All
    dates of all rows in force, blocked or not: a rule that stays in force at a low probability is judged
    there too. Rules whose probability has no truth here are left out.
    """
    relative = pl.col("true_cpl") / pl.col("target_cpl")
    claims = {
        "hopeless_cpl": relative > policy.pause_cpl,
        "worst_of_siblings": pl.col("is_dearest"),
        "high_cpl": relative > policy.budget_decrease_cpl,
        "low_cpl": relative < 1.0,
        "solid_cpl": relative < 1.0,
        "best_of_siblings": pl.col("is_cheapest"),
        "cheap_but_small": relative < policy.expansion_cpl,
        "dear_though_clicked": relative > policy.narrowing_cpl,
        "good_record": pl.col("true_cpl_record") < pl.col("target_cpl"),
        "lead_rate_fell": pl.col("true_lead_rate_change") < -policy.review_fall,
    }
    claim = pl.coalesce(
        pl.lit(None, dtype=pl.Boolean),
        *(pl.when(pl.col("rule") == rule).then(is_true) for rule, is_true in claims.items()),
    )
    labels = ["< 0.6", *(f"{low:g}-{high:g}" for low, high in zip(EDGES, (*EDGES[1:], 1.0), strict=True))]
    passed = pl.sum_horizontal((pl.col("probability") >= edge).cast(pl.Int64) for edge in EDGES)
    return (
        judged(advice, panel)
        .with_columns(is_true=claim)
        .filter(pl.col("is_true").is_not_null())
        .with_columns(passed=passed)
        .group_by("rule", "passed")
        .agg(
            rows=pl.len(),
            entities=pl.struct("account", "entity_id").n_unique(),
            says=pl.col("probability").mean(),
            true=pl.col("is_true").mean(),
        )
        .sort("rule", "passed")
        .select(
            "rule",
            pl.col("passed").replace_strict(range(len(labels)), labels, return_dtype=pl.String).alias("bin"),
            "rows",
            "entities",
            "says",
            "true",
        )
    )


def money(advice: pl.DataFrame, panel: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Per type that stops or changes spend: what the cases promised at their first date, and what was true.

    Columns recommendation_type, cases, promised, true, next_7d (sums over the cases), pays (share whose
    true money is above 0), inside_80 (share whose true money lies in the promised 80 % interval),
    next_cases (cases with seven days to come, those of `next_7d` and `promised_next`).

    True is the promise with the true lead rate of the 14 days in place of the estimate, `next_7d` with that
    of the seven days after the date, in which things drift on: leads L = spend_7d / CPL, PAUSE earns
    spend_7d - T L, a change of the budget by the share s earns T L ((1 + s)^elasticity - 1) - s spend_7d.
    """
    first = first_issues(advice, panel).filter(
        pl.col("recommendation_type").is_in([*TOO_DEAR, *CHEAP]), pl.col("money_per_week").is_not_null()
    )
    change = (
        pl.when(pl.col("recommendation_type") == "PAUSE")
        .then(-1.0)
        .otherwise(pl.col("spend_per_week") / pl.col("spend_7d"))
    )

    def earned(cpl: str) -> pl.Expr:
        leads_worth = pl.col("target_cpl") * pl.col("spend_7d") / pl.col(cpl)
        return leads_worth * ((1.0 + change).clip(0.0).pow(policy.elasticity) - 1.0) - change * pl.col(
            "spend_7d"
        )

    promised, true = pl.col("money_per_week"), pl.col("money_true")
    known_next = pl.col("true_cpl_next_7d").is_not_null()
    return (
        first.with_columns(money_true=earned("true_cpl"), money_next=earned("true_cpl_next_7d"))
        .filter(true.is_not_null())
        .group_by("recommendation_type")
        .agg(
            cases=pl.len(),
            promised=promised.sum(),
            true=true.sum(),
            pays=(true > 0).mean(),
            inside_80=true.is_between("money_lo_80", "money_hi_80").mean(),
            next_cases=known_next.sum(),
            promised_next=promised.filter(known_next).sum(),
            next_7d=pl.col("money_next").filter(known_next).sum(),
        )
        .sort("recommendation_type")
    )
