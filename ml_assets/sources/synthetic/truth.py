"""The truth behind a synthetic account, for whoever judges an estimate. No source delivers any of it."""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.metrics import guarded_ratio
from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.delivery import Cells
from ml_assets.sources.synthetic.incidents import ACCOUNT, Incident
from ml_assets.sources.synthetic.late import visible_curve
from ml_assets.sources.synthetic.management import FATIGUE_ACTIONS, Fatigue
from ml_assets.sources.synthetic.rates import Calendar
from ml_assets.sources.synthetic.tree import Tree


@dataclass(frozen=True)
class Truth:
    """Frames of the truth. Dates are account-local, ids text, rates per final figures.

    - `days`: every (entity_type, entity_id, date) with delivery: spend, impressions, expected_leads (of
      recorded leads, given the spend), lost_leads (expected leads that broken tracking did not record),
      expected_clicks (given the impressions). A parent's are its own rows', residual included.
    - `incidents`: kind, entity_type, entity_id (the root; `account` for an external move), onset,
      last_date, factor.
    - `fatigue`: ad_id, onset, end (the day someone acted, null: nobody), action (refresh, pause or null),
      slope (of log CTR per day), factor (on CTR on the last day of decay).
    - `overlap_pairs`: adset_id, other_adset_id: the pairs made to aim at the same people.
    - `late_leads`: age_days 0..28, visible_share: the true c(k).
    - `edits`: known_at, date, entity_type, entity_id, field (status, daily_budget, creative_id), before,
      after (text).
    - `residuals`: campaign_id, date, spend, impressions, clicks, leads of deleted adsets.
    - `holidays`: date.
    """

    days: pl.DataFrame
    incidents: pl.DataFrame
    fatigue: pl.DataFrame
    overlap_pairs: pl.DataFrame
    late_leads: pl.DataFrame
    edits: pl.DataFrame
    residuals: pl.DataFrame
    holidays: pl.DataFrame

    @cached_property
    def rates(self) -> pl.DataFrame:
        """`days` with true_cpl (spend / expected leads; null without) and true_ctr (fraction)."""
        return self.days.with_columns(_true_cpl(), _true_ctr())

    def true_cpl(self, entity_type: EntityType | str, start: dt.date, end: dt.date) -> pl.DataFrame:
        """True CPL per entity over [start, end]: pooled spend / pooled expected leads.

        Columns entity_id, spend, impressions, expected_leads, lost_leads, expected_clicks, true_cpl,
        true_ctr; entities that delivered in the window. Expected leads are the recorded ones: add
        `lost_leads` for what would have come without broken tracking.
        """
        return (
            self.days.filter(
                pl.col("entity_type") == EntityType(entity_type).value,
                pl.col("date").is_between(start, end),
            )
            .group_by("entity_id", maintain_order=True)
            .agg(pl.col(*FIGURES).sum())
            .with_columns(_true_cpl(), _true_ctr())
        )


FIGURES = ("spend", "impressions", "expected_leads", "lost_leads", "expected_clicks")


def _true_cpl() -> pl.Expr:
    return guarded_ratio(pl.col("spend"), pl.col("expected_leads")).alias("true_cpl")


def _true_ctr() -> pl.Expr:
    return guarded_ratio(pl.col("expected_clicks"), pl.col("impressions")).alias("true_ctr")


def make_days(config: SyntheticConfig, tree: Tree, cells: Cells, residual: Cells) -> pl.DataFrame:
    """The frame `days` of `Truth`, sorted by level, entity and date."""
    index_of = {
        EntityType.CAMPAIGN: np.concatenate([tree.ads.campaign[cells.ad], residual.ad]),
        EntityType.ADSET: tree.ads.parent[cells.ad],
        EntityType.AD: cells.ad,
    }
    frames: list[pl.DataFrame] = []
    for level in LEVELS:
        parts = (cells, residual) if level is EntityType.CAMPAIGN else (cells,)
        days = np.concatenate([part.day for part in parts])
        key, inverse = np.unique(index_of[level] * config.days + days, return_inverse=True)

        def total(name: str, parts: tuple[Cells, ...] = parts, inverse: np.ndarray = inverse) -> np.ndarray:
            values = np.concatenate([getattr(part, name) for part in parts])
            return np.bincount(inverse, weights=values)

        frames.append(
            pl.DataFrame(
                {
                    "entity_type": pl.repeat(level.value, len(key), eager=True),
                    "entity_id": tree.levels[level].ids.gather(key // config.days),
                    "date": config.dates()[key % config.days],
                    "spend": total("cents") / 100.0,
                    "impressions": total("impressions").astype(np.int64),
                    "expected_leads": total("expected_leads"),
                    "lost_leads": total("lost_leads"),
                    "expected_clicks": total("expected_clicks"),
                }
            )
        )
    return pl.concat(frames)


def incident_rows(
    config: SyntheticConfig, tree: Tree, incidents: list[Incident], account_id: str
) -> pl.DataFrame:
    """The frame `incidents` of `Truth`."""
    dates = config.dates()
    return pl.DataFrame(
        {
            "kind": [item.kind for item in incidents],
            "entity_type": [item.level for item in incidents],
            "entity_id": [
                account_id if item.level == ACCOUNT else tree.levels[EntityType(item.level)].ids[item.root]
                for item in incidents
            ],
            "onset": dates[np.array([item.onset for item in incidents], dtype=np.int64)],
            "last_date": dates[np.array([item.last for item in incidents], dtype=np.int64)],
            "factor": [item.factor for item in incidents],
        },
        schema={
            "kind": pl.String(), "entity_type": pl.String(), "entity_id": pl.String(),
            "onset": pl.Date(), "last_date": pl.Date(), "factor": pl.Float64(),
        },
    )  # fmt: skip


def fatigue_rows(config: SyntheticConfig, tree: Tree, fatigue: Fatigue) -> pl.DataFrame:
    """The frame `fatigue` of `Truth`."""
    factor = fatigue.ctr_factor(config.days)
    first = np.datetime64(config.first_day, "D")
    return pl.DataFrame(
        {
            "ad_id": tree.ads.ids.gather(fatigue.ad),
            "onset": first + fatigue.onset,
            "end": first + fatigue.end,
            "open": fatigue.end >= config.days,
            "action": pl.Series(FATIGUE_ACTIONS, dtype=pl.String).gather(fatigue.action),
            "slope": fatigue.slope,
            "factor": factor[np.arange(len(fatigue.ad)), fatigue.end - 1],
        }
    ).select("ad_id", "onset", pl.when(~pl.col("open")).then("end").alias("end"), "action", "slope", "factor")


def edit_rows(config: SyntheticConfig, versions: dict[EntityType, pl.DataFrame]) -> pl.DataFrame:
    """The frame `edits` of `Truth`: every change between two versions of an entity."""
    key = ("known_at", "date", "entity_type", "entity_id", "field", "before", "after")
    frames = [
        frame.with_columns(
            entity_type=pl.lit(level.value),
            date=pl.col("known_at").dt.convert_time_zone(config.timezone).dt.date(),
            field=pl.lit(field),
            after=pl.col(field).cast(pl.String),
            before=pl.col(field).cast(pl.String).shift(1).over("index"),
        )
        .filter(pl.col("before") != pl.col("after"))
        .select(key)
        for level, frame in versions.items()
        for field in ("status", "daily_budget", "creative_id")
        if field in frame.columns
    ]
    return pl.concat(frames).sort("known_at", "entity_type", "entity_id", "field")


def residual_rows(config: SyntheticConfig, tree: Tree, residual: Cells) -> pl.DataFrame:
    """The frame `residuals` of `Truth`."""
    return pl.DataFrame(
        {
            "campaign_id": tree.campaigns.ids.gather(residual.ad),
            "date": config.dates()[residual.day],
            "spend": residual.cents / 100.0,
            "impressions": residual.impressions,
            "clicks": residual.clicks,
            "link_clicks": residual.link_clicks,
            "leads": residual.leads,
        }
    )


def pair_rows(tree: Tree, pairs: np.ndarray) -> pl.DataFrame:
    """The frame `overlap_pairs` of `Truth`."""
    ids = tree.adsets.ids
    return pl.DataFrame({"adset_id": ids.gather(pairs[:, 0]), "other_adset_id": ids.gather(pairs[:, 1])})


def late_lead_rows(config: SyntheticConfig) -> pl.DataFrame:
    """The frame `late_leads` of `Truth`."""
    curve = visible_curve(config)
    return pl.DataFrame({"age_days": np.arange(len(curve)), "visible_share": curve})


def holiday_rows(config: SyntheticConfig, calendar: Calendar) -> pl.DataFrame:
    """The frame `holidays` of `Truth`."""
    return pl.DataFrame({"date": config.dates()[calendar.is_holiday]})
