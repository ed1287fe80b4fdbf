"""Proof of the estimate: whether intervals and tiers say what is so, on accounts whose truth is known.

`python -m benchmarks.estimate [--seeds 50] [--dates 30]` prints, over synthetic accounts as known on the
morning after one date each: coverage of the 80 % intervals of `cpl_shrunk` (per level and per number of
leads), calibration of the tier probabilities, error against the raw 7-day CPL, and how often a tier changes.
"""

import argparse
import datetime as dt

import polars as pl

from benchmarks.accounts import END, Account, make_account
from ml_assets.classification import TIERS, classify
from ml_assets.classification.bands import BOUNDARIES
from ml_assets.entities import LEVELS, EntityType
from ml_assets.features import compute_features


def judge(account: Account, seed: int) -> pl.DataFrame:
    """Estimate beside truth on the last date: a row per lead-seeking entity that delivered in 14 days."""
    frames: list[pl.DataFrame] = []
    for level in LEVELS:
        features = compute_features(account.inputs, level, [END])
        tiers = classify(account.inputs, level, [END], features).select("entity_id", "tier", "probabilities")
        true = account.source.truth.true_cpl(level, END - dt.timedelta(days=13), END)
        frames.append(
            features.filter(pl.col("cpl_shrunk").is_not_null(), pl.col("spend_14d") > 0)
            .join(tiers, on="entity_id")
            .join(true.select("entity_id", "true_cpl"), on="entity_id")
            .filter(pl.col("true_cpl").is_finite())
            .with_columns(seed=pl.lit(seed))
        )
    return pl.concat(frames)


def coverage(judged: pl.DataFrame) -> pl.DataFrame:
    """Share of true CPLs inside the 80 % interval, per level and number of leads."""
    inside = pl.col("true_cpl").is_between("cpl_shrunk_lo_80", "cpl_shrunk_hi_80")
    leads = (
        pl.when(pl.col("leads_14d") == 0)
        .then(pl.lit("0"))
        .when(pl.col("leads_14d") <= 2)
        .then(pl.lit("1-2"))
        .when(pl.col("leads_14d") <= 5)
        .then(pl.lit("3-5"))
        .otherwise(pl.lit("6+"))
    )
    rows = judged.with_columns(inside=inside, leads=leads)
    strata = rows.group_by("entity_type", "leads").agg(pl.len().alias("n"), pl.col("inside").mean())
    whole = rows.group_by("entity_type").agg(pl.len().alias("n"), pl.col("inside").mean())
    return pl.concat([whole.with_columns(leads=pl.lit("all")).select(strata.columns), strata]).sort(
        "entity_type", "leads"
    )


def calibration_error(judged: pl.DataFrame) -> pl.DataFrame:
    """Expected calibration error of the tier probabilities: ten bins, all bands; per level and overall."""
    relative = pl.col("true_cpl") / pl.col("target_cpl")
    band = sum((relative > boundary).cast(pl.Int64) for boundary in BOUNDARIES)
    long = pl.concat(
        judged.select(
            "entity_type",
            p=pl.col("probabilities").str.json_path_match(f"$.{tier}").cast(pl.Float64),
            hit=(band == index).cast(pl.Float64),
        )
        for index, tier in enumerate(TIERS)
    ).with_columns(bin=(pl.col("p") * 10).floor().clip(0, 9))

    def error(frame: pl.DataFrame) -> float:
        bins = frame.group_by("bin").agg(gap=(pl.col("p").mean() - pl.col("hit").mean()).abs(), n=pl.len())
        return float((bins["gap"] * bins["n"]).sum() / bins["n"].sum())

    levels = [
        {"entity_type": level.value, "ece": error(long.filter(pl.col("entity_type") == level.value))}
        for level in LEVELS
    ]
    return pl.DataFrame([*levels, {"entity_type": "all", "ece": error(long)}])


def error_ratio(judged: pl.DataFrame) -> float:
    """Mean absolute log error of the shrunk CPL over that of the raw 7-day CPL, ads with 1-4 leads."""
    ads = judged.filter(pl.col("entity_type") == "ad", pl.col("leads_7d").is_between(1, 4))
    shrunk = (ads["cpl_shrunk"] / ads["true_cpl"]).log().abs().mean()
    raw = (ads["cpl_7d"] / ads["true_cpl"]).log().abs().mean()
    return float(shrunk) / float(raw)  # type: ignore[arg-type]


def tier_changes(account: Account, dates: int) -> pl.DataFrame:
    """Changes of the shown tier per ad and 30 days over the last `dates` dates, named tiers only."""
    days = [END - dt.timedelta(days=back) for back in range(dates)]
    features = compute_features(account.inputs, EntityType.AD, days)
    shown = classify(account.inputs, EntityType.AD, days, features).filter(pl.col("tier").is_not_null())
    moved = shown.sort("entity_id", "classification_date").with_columns(
        before=pl.col("tier").shift(1).over("entity_id")
    )
    changed = pl.col("before").is_not_null() & (pl.col("before") != pl.col("tier"))
    named = pl.all_horizontal(pl.col("before", "tier") != "INSUFFICIENT_DATA")
    return moved.select(
        ads=pl.col("entity_id").n_unique(),
        changes=changed.sum(),
        named_changes=(changed & named).sum(),
        inconsistent=(pl.col("before").is_not_null() & (pl.col("before") != pl.col("previous_tier"))).sum(),
        rows=pl.len(),
    )


VARIATIONS: dict[str, dict[str, object]] = {
    "Gamma instead of log-normal spreads": {"spread": "gamma"},
    "overdispersion 2": {"dispersion": 2.0},
    "no overdispersion, no drift": {"dispersion": 1.0, "drift": 0.0},
    "drift of 3 % a day": {"drift": 0.03},
    "spreads .6 / .5 / .6": {"campaign_sigma": 0.6, "adset_sigma": 0.5, "ad_sigma": 0.6},
    "spreads .2 / .2 / .2": {"campaign_sigma": 0.2, "adset_sigma": 0.2, "ad_sigma": 0.2},
    "one lead a week and ad": {"leads_per_ad_week": 1.0},
    "15 leads a week and ad": {"leads_per_ad_week": 15.0},
    "3 campaigns, 8 adsets, 20 ads": {"campaigns": 3, "adsets": 8, "ads": 20},
}
"""Accounts unlike the default one, as settings of `SyntheticConfig`."""


def print_variations(seeds: int) -> None:
    """Coverage of ads / adsets / campaigns and calibration error of each of `VARIATIONS`; small ones x 3."""
    for name, config in VARIATIONS.items():
        count = seeds * (3 if "ads" in config else 1)
        rows = pl.concat([judge(make_account(seed, **config), seed) for seed in range(count)])
        whole = coverage(rows).filter(pl.col("leads") == "all")
        inside = dict(whole.select("entity_type", "inside").rows())
        shares = " / ".join(f"{100 * inside[level.value]:.0f}" for level in reversed(LEVELS))
        error = calibration_error(rows).filter(pl.col("entity_type") == "all")["ece"].item()
        print(f"{name}: {shares} %, calibration error {error:.3f} ({count} accounts)", flush=True)


def main() -> None:
    """Print the proof."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--dates", type=int, default=30)
    parser.add_argument("--change-seeds", type=int, default=10)
    parser.add_argument("--variations", action="store_true", help="accounts unlike the default one instead")
    arguments = parser.parse_args()
    if arguments.variations:
        print_variations(min(arguments.seeds, 10))
        return
    judged: list[pl.DataFrame] = []
    changes: list[pl.DataFrame] = []
    for seed in range(arguments.seeds):
        account = make_account(seed)
        judged.append(judge(account, seed))
        if seed < arguments.change_seeds:
            changes.append(tier_changes(account, arguments.dates))
        print(f"\r{seed + 1}/{arguments.seeds} accounts", end="", flush=True)
    print()
    rows = pl.concat(judged)
    total = pl.concat(changes).sum()
    with pl.Config(tbl_rows=40, tbl_hide_dataframe_shape=True, float_precision=3):
        print(coverage(rows))
        print(calibration_error(rows))
    print(f"error of shrunk CPL / raw 7-day CPL, ads with 1-4 leads: {error_ratio(rows):.2f}")
    months = total["ads"][0] * arguments.dates / 30
    print(
        f"tier changes per ad and month: {total['changes'][0] / months:.2f}"
        f" (between named tiers {total['named_changes'][0] / months:.2f});"
        f" previous_tier differs from the row before: {total['inconsistent'][0]} of {total['rows'][0]}"
    )


if __name__ == "__main__":
    main()
