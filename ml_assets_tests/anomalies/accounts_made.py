"""Whole accounts made up day by day, with changes put in, for tests of what detection finds in them."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from ml_assets.anomalies.detect import Found, detect_anomalies
from ml_assets.anomalies.feedback import new_levels, silences_of
from ml_assets.anomalies.frames import INCIDENT_FEEDBACK, RUNNING_DAYS
from ml_assets.anomalies.gates import Gated, gate
from ml_assets.anomalies.incidents import Follower, Incident
from ml_assets.anomalies.inputs import AnomalyInputs
from ml_assets.anomalies.panel import Panel, build_panel
from ml_assets.anomalies.policy import AnomalyPolicy
from ml_assets.anomalies.roots import Roots, find_roots
from ml_assets.anomalies.walk import Day, walk
from ml_assets.entities import EntityType
from ml_assets.entity_metrics import conform_insights
from ml_assets.features.inputs import FeatureInputs
from ml_assets.frames import ACCOUNTS, ENTITIES, ENTITY_VERSIONS, INSIGHTS, LEAD_DEVELOPMENT, fill_missing
from ml_assets_tests.features.frames_made import LONG_AGO, Row, account, ad, adset, campaign, frame

D = dt.date(2026, 6, 24)
"""The last day that is made: a Wednesday."""

DAYS = 100
LEVELS = (EntityType.CAMPAIGN, EntityType.ADSET, EntityType.AD)
NO_WEEKDAYS = (1.0,) * 7


def back(days: int) -> dt.date:
    """So many days before `D`."""
    return D - dt.timedelta(days=days)


@dataclass(frozen=True)
class Change:
    """From `first` to `last` (days before `D`) the metric of all ads under `entity_id` is `factor` times.

    `entity_id` None: of the whole account. Metrics are spend, cpm, ctr and cvr, each given the ones before.
    """

    metric: str
    entity_id: str | None
    factor: float
    first: int = 0
    last: int = 0


@dataclass(frozen=True, kw_only=True)
class Made:
    """How an account is made: campaigns c1, c2.. with adsets c1s1.. with ads c1s1a1.., all alike."""

    config_id: int = 1
    campaigns: int = 3
    adsets: int = 2
    ads: int = 2
    days: int = DAYS
    seed: int = 7
    spend: float = 60.0
    """A day and ad, in the account's currency."""
    cpm: float = 10.0
    ctr: float = 0.03
    cvr: float = 0.04
    noise: float = 0.08
    """Deviation of the log of a day's spend; a third of it of the CPM."""
    weekdays: Sequence[float] = NO_WEEKDAYS
    """Factor on spend, Monday first."""
    changes: Sequence[Change] = ()
    begins: dict[str, int] = field(default_factory=dict)
    """Entity -> days before `D` of its first day."""
    levels: Sequence[EntityType] = LEVELS
    """Levels that are delivered."""
    account: dict[str, Any] = field(default_factory=dict)

    def tree(self) -> list[tuple[str, str, str]]:
        """(campaign, adset, ad) of every ad."""
        return [
            (f"c{c}", f"c{c}s{s}", f"c{c}s{s}a{a}")
            for c in range(1, self.campaigns + 1)
            for s in range(1, self.adsets + 1)
            for a in range(1, self.ads + 1)
        ]

    def entities(self) -> list[Row]:
        """The tree as rows of ENTITIES, all active."""
        rows: dict[str, Row] = {}
        for top, middle, leaf in self.tree():
            rows.setdefault(top, campaign(top, self.config_id, name=top))
            rows.setdefault(middle, adset(middle, top, self.config_id, name=middle))
            rows[leaf] = ad(leaf, middle, top, self.config_id, name=leaf)
        return list(rows.values())

    def figures(self) -> pl.DataFrame:
        """Rows of INSIGHTS of the delivered levels; nothing on days without impressions."""
        tree, rng = self.tree(), np.random.default_rng(self.seed)
        size = (len(tree), self.days)
        weekday = np.array([back(self.days - 1 - day).weekday() for day in range(self.days)])
        factor = {name: np.ones(size) for name in ("spend", "cpm", "ctr", "cvr")}
        for change in self.changes:
            first, last = self.days - 1 - change.first, self.days - 1 - change.last
            factor[change.metric][_under(tree, change.entity_id), first : last + 1] *= change.factor
        spend = self.spend * np.asarray(self.weekdays)[weekday] * factor["spend"]
        spend = np.round(spend * np.exp(rng.normal(0, self.noise, size)), 2)
        for entity_id, first in self.begins.items():
            spend[_under(tree, entity_id), : self.days - 1 - first] = 0.0
        cpm = self.cpm * factor["cpm"] * np.exp(rng.normal(0, self.noise / 3, size))
        impressions = rng.poisson(spend / cpm * 1000)
        clicks = rng.binomial(impressions, np.minimum(self.ctr * factor["ctr"], 1.0))
        leads = rng.binomial(clicks, np.minimum(self.cvr * factor["cvr"], 1.0))
        leaf, day = np.nonzero(impressions)
        paths = pl.DataFrame(tree, schema=[level.value for level in LEVELS], orient="row")
        ads = paths[leaf].with_columns(
            date=pl.Series(np.datetime64(back(self.days - 1)) + day),
            spend=pl.Series(spend[leaf, day]),
            impressions=pl.Series(impressions[leaf, day]),
            clicks=pl.Series(clicks[leaf, day]),
            leads=pl.Series(leads[leaf, day]),
        )
        parts = [
            ads.group_by(pl.col(level.value).alias("entity_id"), "date", maintain_order=True)
            .agg(pl.col("spend", "impressions", "clicks", "leads").sum())
            .with_columns(
                config_id=pl.lit(self.config_id),
                entity_type=pl.lit(level.value),
                window_days=pl.lit(1),
                known_at=pl.lit(LONG_AGO),
                reach=pl.col("impressions") // 2,
                link_clicks="clicks",
            )
            for level in self.levels
        ]
        return fill_missing(pl.concat(parts), INSIGHTS)


def _under(tree: Sequence[tuple[str, str, str]], entity_id: str | None) -> np.ndarray:
    return np.array([entity_id is None or entity_id in path for path in tree])


def inputs_of(
    *made: Made,
    versions: Iterable[Row] = (),
    feedback: Iterable[Row] = (),
    running: Iterable[Row] = (),
    insights: pl.DataFrame | None = None,
    entities: Iterable[Row] | None = None,
) -> AnomalyInputs:
    """All that detection reads of the accounts; `insights` and `entities` in place of theirs."""
    known = frame(entities or [row for one in made for row in one.entities()], ENTITIES)
    if insights is None:
        insights = pl.concat([one.figures() for one in made])
    return AnomalyInputs(
        figures=FeatureInputs(
            accounts=frame([account(one.config_id, **one.account) for one in made], ACCOUNTS),
            entities=known,
            versions=frame(versions, ENTITY_VERSIONS),
            metrics=conform_insights(insights, known),
            development=frame([], LEAD_DEVELOPMENT),
        ),
        feedback=frame(feedback, INCIDENT_FEEDBACK),
        running=frame(running, RUNNING_DAYS),
    )


def found_in(
    made: Made | AnomalyInputs,
    level: EntityType | str = EntityType.CAMPAIGN,
    dates: Sequence[dt.date] = (D,),
    policy: AnomalyPolicy | None = None,
) -> Found:
    """What is found at a level on the dates."""
    inputs = inputs_of(made) if isinstance(made, Made) else made
    return detect_anomalies(inputs, EntityType(level), dates, policy)


def incidents_of(
    made: Made | AnomalyInputs, dates: Sequence[dt.date] = (D,), policy: AnomalyPolicy | None = None
) -> list[Row]:
    """Incidents rooted anywhere in the tree on the dates, largest first."""
    inputs = inputs_of(made) if isinstance(made, Made) else made
    rows = pl.concat([detect_anomalies(inputs, level, dates, policy).incidents for level in LEVELS])
    return rows.sort("evaluated_date", "money", descending=[False, True]).to_dicts()


def panel_of(made: Made | AnomalyInputs, days: int = 70) -> Panel:
    """The panel of so many days up to `D`."""
    inputs = inputs_of(made) if isinstance(made, Made) else made
    return build_panel(inputs, back(days - 1), D)


@dataclass(frozen=True)
class Followed:
    """One day of an account's panel as detection goes through it."""

    day: int
    date: dt.date
    told: Day
    gated: dict[str, list[Gated]]
    roots: list[Roots]
    present: list[Incident]
    """Open or ended on the day, as they were on it."""


def followed(
    made: Made | AnomalyInputs,
    last: int = 1,
    days: int = 56,
    policy: AnomalyPolicy | None = None,
    unjudged: pl.DataFrame | None = None,
) -> tuple[Panel, list[Followed]]:
    """The last days of a panel that ends on `D`, of which all others are only learnt from."""
    policy = policy or AnomalyPolicy()
    inputs = inputs_of(made) if isinstance(made, Made) else made
    panel = build_panel(inputs, back(days - 1), D, unjudged)
    follower = Follower(panel, policy, silences_of(panel, inputs.feedback, policy))
    relevel = new_levels(panel, inputs.feedback) if inputs.feedback.height else None
    found: list[Followed] = []
    with np.errstate(invalid="ignore"):
        for day, told in walk(panel, panel.days - last, policy.new_normal_days, relevel):
            gated = gate(panel, told, day, policy)
            roots = [find_roots(panel, metric, tests, gated[metric]) for metric, tests in told.items()]
            present = [replace(item) for item in follower.follow(day, told, gated, roots)]
            found.append(Followed(day, panel.date(day), told, gated, roots, present))
    return panel, found


def name_of(panel: Panel, incident: Incident) -> str:
    """The entity at the root of an incident."""
    return panel.steps[incident.step].keys["entity_id"][incident.row]
