"""What the rules look at: one row per entity of interest and date, all probabilities in it. No decisions.

Entities that no rule could ask about on any of the dates are left out early; what is costly is computed for
the others alone.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.special import gammainc, gammaincc, gammaincinv, ndtr, polygamma, psi

from ml_assets.classification.classify import attribution_breaks
from ml_assets.entities import EntityType
from ml_assets.entity_state import RECENT_DAYS
from ml_assets.features.dispersion import count_dispersion
from ml_assets.features.estimates import ESTIMATE_DAYS, LevelEstimates, TreeEstimates, is_under_floor
from ml_assets.features.fatigue import fatigue_columns
from ml_assets.features.grid import FloatArray, IntArray, LevelGrid, window_sum
from ml_assets.features.inputs import FeatureInputs
from ml_assets.features.overlap import overlap_columns
from ml_assets.features.shrinkage import Posterior
from ml_assets.features.states import entity_states
from ml_assets.features.trends import below_probability, lead_weeks, weekly_move
from ml_assets.features.windows import WEEK, visible_spend
from ml_assets.metrics import MICROS
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.records import PAUSED_LOOKBACK, Columns, longer_record, record_columns
from ml_assets.recommendations.rules import DECIDED
from ml_assets.recommendations.siblings import NOBODY, compare, value_of_test
from ml_assets.recommendations.states import OWNERS, LevelState
from ml_assets.recommendations.tracking import tracking_broke

SIBLING_MIN_DAYS = 3
"""Delivery days in 7 from which siblings are compared."""


@dataclass(frozen=True)
class Evidence:
    """The evidence of one level: `frame` has a row per entity of `rows` and date, entities outermost."""

    own: LevelEstimates
    rows: IntArray
    dates: tuple[dt.date, ...]
    frame: pl.DataFrame

    def matrix(self, name: str) -> np.ndarray:
        """A column of the frame as (entities of interest, dates)."""
        return self.frame[name].to_numpy().reshape(self.rows.size, len(self.dates))


def gather(
    figures: FeatureInputs,
    known: TreeEstimates,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    policy: Policy,
    state: Mapping[EntityType, LevelState],
    wanted: Sequence[str] | None = None,
) -> Evidence:
    """The evidence of a level on `dates`, for which `known` was estimated and `state` read.

    `wanted` names entities to look at whether or not a rule could ask about them.
    """
    own, at = known.levels[entity_type], known.at
    level = own.level
    judged = own.seeks_leads[:, None] & (own.target > 0) & ~is_under_floor(own)
    cheap = np.where(judged, gammaincc(own.rate.shape, own.rate.rate), np.nan)
    record = longer_record(own, at, policy)
    on_record = np.where(judged, gammaincc(record.shape, record.rate), np.nan)
    whole: Columns = {
        "p_cheap": cheap,
        "p_dear": 1.0 - cheap,
        "p_cheap_on_record": on_record,
        "p_dear_on_record": 1.0 - on_record,
        "judged": judged,
    }
    interesting = _may_be_decided(whole, policy)
    if entity_type.parent is not None:
        columns, more = _against_siblings(known, entity_type, judged, policy, of_all=wanted is not None)
        whole |= columns
        interesting |= more
    if entity_type is EntityType.ADSET:
        whole |= _fall_columns(known, entity_type, policy)
        interesting |= (np.nan_to_num(whole["p_fell"]) >= policy.review).any(axis=1)
        overlap, overlap_with = _weekly_overlap(figures, known, dates)
        whole |= {"overlap": overlap, "overlap_with": overlap_with}
        interesting |= (np.nan_to_num(overlap) >= policy.review_overlap).any(axis=1)
    if entity_type is EntityType.AD:
        whole |= _fatigue(known, state[EntityType.ADSET].is_learning)
        tired = np.isin(whole["fatigue_verdict"], ("LIMITED", "FATIGUED"))
        interesting |= tired.any(axis=1)
    interesting |= _may_come_back(level, at, policy)
    if wanted is not None:
        interesting |= level.keys["entity_id"].is_in(list(wanted)).to_numpy()
    rows = np.flatnonzero(interesting)
    part = level.take(rows)
    columns = {name: values[rows] for name, values in whole.items()}
    columns |= _posterior_columns(own, record, rows, policy)
    columns |= _plain_columns(known, part, own, rows, ESTIMATE_DAYS + int(policy.older_days))
    columns["running_siblings"] = _running_siblings(level, at, state[entity_type])[rows]
    if entity_type is EntityType.CAMPAIGN:
        columns["p_falling"] = _falling(known, entity_type, rows)
    if entity_type is EntityType.ADSET:
        columns |= _against_parent(known, entity_type, rows, policy)
    columns |= _state_columns(state[entity_type], rows)
    budget = columns["daily_budget"]
    columns["utilisation"] = np.divide(
        columns["spend_7d"], WEEK * budget, out=np.full_like(budget, np.nan), where=budget > 0
    )
    columns["tracking_broke"] = part.account.spread(tracking_broke(known))
    columns["attribution_changed"] = attribution_breaks(figures, part, dates)
    columns |= record_columns(own, part, rows, at, int(policy.reactivate_record_days))
    frame = _lay_out(part, dates, columns).with_columns(row=pl.lit(pl.Series(np.repeat(rows, len(dates)))))
    return Evidence(own, rows, tuple(dates), _with_frequency(frame, figures.metrics, entity_type))


def _may_be_decided(columns: Columns, policy: Policy) -> np.ndarray:
    """Entities whose CPL was surely enough on one side of the target on some date."""
    cheap = min(policy.scale_up, policy.budget_increase, policy.expansion)
    dear = min(policy.budget_decrease, policy.pause, policy.pause_worst_above_target, policy.narrowing)
    bars = {"p_cheap": cheap, "p_dear": dear, "p_dear_on_record": dear}
    return np.any([np.nan_to_num(columns[name]) >= bar for name, bar in bars.items()], axis=(0, 2))


def _against_siblings(
    known: TreeEstimates, entity_type: EntityType, judged: np.ndarray, policy: Policy, *, of_all: bool
) -> tuple[Columns, np.ndarray]:
    """Rank among siblings and, for ads, the value of a test; and who is worth looking at for it."""
    own, at = known.levels[entity_type], known.at
    level = own.level
    delivering = window_sum(level.values["impressions"] > 0, at, WEEK) >= SIBLING_MIN_DAYS
    eligible = delivering & own.seeks_leads[:, None] & (own.target > 0)
    bar, floor = (0.0, 0.0) if of_all else (min(policy.winner, policy.pause_worst), policy.withdraw)
    against = compare(own.rate, own.expected, eligible, level.parent, bar, floor)
    columns: Columns = {
        "p_best": against.best,
        "p_worst": against.worst,
        "p_beats": against.beats,
        "uplift": against.uplift,
        "siblings": against.company,
        "others_mean": against.others_mean,
    }
    interesting = np.any(np.nan_to_num(against.best) >= policy.winner, axis=1)
    interesting |= np.any(np.nan_to_num(against.worst) >= policy.pause_worst, axis=1)
    if entity_type is EntityType.AD:
        leads = np.nan_to_num(own.leads)
        traffic = window_sum(level.values["impressions"], at, WEEK)
        open_still = (against.beats >= DECIDED) & (against.beats <= policy.winner)
        thought_of = judged & open_still & (traffic >= policy.test_impressions)
        value = value_of_test(own.rate, leads, against.rival, thought_of)
        ids = np.append(level.keys["entity_id"].to_numpy(), "")
        with_rival = against.rival != NOBODY
        spend = window_sum(level.values["spend"], at, WEEK) / MICROS
        column = np.broadcast_to(np.arange(at.size), spend.shape)
        of_rival = np.where(with_rival, spend[against.rival, column], np.nan)
        mean = own.rate.mean
        per_lead = own.target / np.where(with_rival, (mean + mean[against.rival, column]) / 2, np.nan)
        columns |= {
            "rival_id": ids[against.rival],
            "rival_spend_7d": of_rival,
            "p_differs": value.differs,
            "test_leads": value.leads,
            "test_money": value.missing * per_lead,
            "test_gain": value.gain * (spend + of_rival),
            "test_cost": value.missing * per_lead * value.loss,
            "traffic_7d": traffic,
        }
        pays = columns["test_gain"] * policy.test_weeks > columns["test_cost"]
        ends = columns["test_money"] <= policy.test_weeks * (spend + of_rival)
        columns["test_pays"] = pays & ends
        interesting |= columns["test_pays"].any(axis=1)
    return columns, interesting


def _week_figures(known: TreeEstimates, level: LevelGrid) -> Callable[[str], FloatArray]:
    """Leads and visible spend of the last week and the one before, by name."""
    figure: dict[str, FloatArray] = {}
    for week, first in (("7d", 0), ("previous", WEEK)):
        figure[f"visible_spend_{week}"] = visible_spend(level, known.maturity, known.at, first)
        figure[f"leads_{week}"] = level.window("leads", known.at, WEEK, shift=first)
    return figure.__getitem__


def _falling(known: TreeEstimates, entity_type: EntityType, rows: IntArray) -> FloatArray:
    """P(lead rate fell) of the given rows: the last week against the one before."""
    own = known.levels[entity_type]
    return lead_weeks(_part(own, rows), _week_figures(known, own.level.take(rows))).fell_below()


def _fall_columns(known: TreeEstimates, entity_type: EntityType, policy: Policy) -> Columns:
    """P(lead rate fell), P(fell by a fifth), P(CTR fell): the last week against the one before.

    Of all entities: how far rates move is learnt from all of them, whoever is looked at.
    """
    own, at = known.levels[entity_type], known.at
    level = own.level
    figure = _week_figures(known, level)
    weeks = lead_weeks(own, figure)
    move = weekly_move(own, figure, level.account, level.in_sample)
    columns: Columns = {
        "p_falling": weeks.fell_below(),
        "p_fell": move.below(1.0 - policy.review_fall),
        "lead_rate_change": np.expm1(move.mean),
    }
    seen = level.where_known("clicks")
    widening = level.account.spread(
        count_dispersion(seen, at, "clicks", "impressions", known.tree.start.isoweekday())
    )
    clicks = [seen.window("clicks", at, WEEK, shift=first) + 0.5 for first in (0, WEEK)]
    shown = [seen.window("impressions", at, WEEK, shift=first) for first in (0, WEEK)]
    clicked = (shown[0] > 0) & (shown[1] > 0)
    ratio = np.divide(clicks[0] * shown[1], clicks[1] * shown[0], out=np.ones_like(clicks[0]), where=clicked)
    distance = np.log(ratio) / np.sqrt(widening * (1.0 / clicks[0] + 1.0 / clicks[1]))
    columns["p_ctr_falling"] = np.where(clicked, ndtr(-distance), np.nan)
    columns["ctr_change"] = np.where(clicked, ratio - 1.0, np.nan)
    return columns


def _part(own: LevelEstimates, rows: IntArray) -> LevelEstimates:
    """The estimates of the given rows alone, with what trends need."""
    rate = own.rate
    return replace(
        own,
        seeks_leads=own.seeks_leads[rows],
        target=own.target[rows],
        dispersion=own.dispersion[rows],
        rate=Posterior(rate.shape[rows], rate.rate[rows], rate.prior_shape[rows], rate.prior_mean[rows]),
    )


def _weekly_overlap(
    figures: FeatureInputs, known: TreeEstimates, dates: Sequence[dt.date]
) -> tuple[FloatArray, np.ndarray]:
    """Audience overlap of the adsets, looked at once a week: what is declared rarely changes."""
    level = known.levels[EntityType.ADSET].level
    looked = [index for index, day in enumerate(dates) if day.toordinal() % WEEK == 0]
    score = np.full((level.keys.height, len(dates)), np.nan)
    other = np.full(score.shape, "", dtype=object)
    if not looked:
        return score, other
    days = [dates[index] for index in looked]
    state = entity_states(figures, known.tree, EntityType.ADSET, days)
    adsets = state.filter(pl.col("entity_type") == EntityType.ADSET.value)
    found = overlap_columns(level, known.tree.columns(days), adsets)
    place = (found["row"].to_numpy(), np.array(looked)[found["column"].to_numpy()])
    # Of two that overlap the dearer one is spoken of: one cause, one recommendation.
    rows_of = level.keys.select("config_id", overlap_with="entity_id", other=pl.int_range(pl.len()))
    found = found.with_columns(level.keys["config_id"].gather(found["row"])).join(
        rows_of, on=["config_id", "overlap_with"], how="left", maintain_order="left"
    )
    mean = known.levels[EntityType.ADSET].rate.mean
    dearer = mean[place] < mean[found["other"].to_numpy(), place[1]]
    score[place] = np.where(dearer, found["audience_overlap_score"].to_numpy(), np.nan)
    other[place] = found["overlap_with"].to_numpy()
    ordinals = np.array([day.toordinal() for day in dates])
    last_look = {ordinal: index for index, ordinal in enumerate(ordinals) if ordinal % WEEK == 0}
    source = np.array([last_look.get(ordinal - ordinal % WEEK, -1) for ordinal in ordinals])
    seen = source >= 0
    return np.where(seen, score[:, source], np.nan), np.where(seen, other[:, source], "")


def _fatigue(known: TreeEstimates, adset_is_learning: np.ndarray) -> Columns:
    """Score and verdict of the ads, as the features have them."""
    own = known.levels[EntityType.AD]
    seen = own.level.where_known("clicks")
    dispersion = count_dispersion(seen, known.at, "clicks", "impressions", known.tree.start.isoweekday())
    columns = fatigue_columns(
        seen, known.at, own.expected, dispersion, adset_is_learning[own.level.parent.index]
    )
    return {
        "fatigue_score": columns["creative_fatigue_score"],
        "fatigue_verdict": columns["fatigue_verdict"],
    }


def _may_come_back(level: LevelGrid, at: IntArray, policy: Policy) -> np.ndarray:
    """Entities that stand still on some date and had leads enough within the days before."""
    still = window_sum(level.values["impressions"] > 0, at, 1) == 0
    leads = np.nan_to_num(level.window("leads", at, PAUSED_LOOKBACK + int(policy.reactivate_record_days)))
    lately = window_sum(level.values["impressions"] > 0, at, PAUSED_LOOKBACK) > 0
    return (still & lately & (leads >= policy.reactivate_leads)).any(axis=1)


def _posterior_columns(own: LevelEstimates, record: Posterior, rows: IntArray, policy: Policy) -> Columns:
    longer_shape, longer_rate = record.shape[rows], record.rate[rows]
    shape, rate = own.rate.shape[rows], own.rate.rate[rows]
    target = own.target[rows]
    judged = own.seeks_leads[rows][:, None] & (target > 0)

    def cheaper(cpl: float) -> FloatArray:
        return np.where(judged, gammaincc(shape, rate / cpl), np.nan)

    def dearer(cpl: float) -> FloatArray:
        return np.where(judged, gammainc(shape, rate / cpl), np.nan)

    def dearer_on_record(cpl: float) -> FloatArray:
        return np.where(judged, gammainc(longer_shape, longer_rate / cpl), np.nan)

    level = own.level.entity_type
    of_level: Columns = {}
    if level is not EntityType.CAMPAIGN:
        of_level["p_dear_child"] = dearer(policy.child_pause_cpl)
        of_level["p_dear_child_on_record"] = dearer_on_record(policy.child_pause_cpl)
    if level is not EntityType.AD:
        of_level["p_dear_decrease"] = dearer(policy.budget_decrease_cpl)
        of_level["p_dear_decrease_on_record"] = dearer_on_record(policy.budget_decrease_cpl)
    if level is EntityType.ADSET:
        of_level["p_cheap_expansion"] = cheaper(policy.expansion_cpl)
        of_level["p_dear_narrowing"] = dearer(policy.narrowing_cpl)
    return {
        **of_level,
        "p_cheap_scale_up": cheaper(policy.scale_up_cpl),
        "p_dear_pause": dearer(policy.pause_cpl),
        "p_dear_pause_on_record": dearer_on_record(policy.pause_cpl),
        "longer_shape": longer_shape,
        "longer_rate": longer_rate,
        "shape": shape,
        "rate": rate,
        "prior_mean": own.rate.prior_mean[rows],
        "dispersion": own.dispersion[rows],
        "target_cpl": target,
        "cpl": np.where(judged, target * rate / gammaincinv(shape, 0.5), np.nan),
        "cpl_lo_80": np.where(judged, target * rate / gammaincinv(shape, 0.9), np.nan),
        "cpl_hi_80": np.where(judged, target * rate / gammaincinv(shape, 0.1), np.nan),
        "leads": np.nan_to_num(own.leads[rows]),
        "expected_leads": own.expected[rows],
        "maturity": own.maturity[rows],
        "delivery_days_14d": own.delivery_days[rows],
        "seeks_leads": np.broadcast_to(own.seeks_leads[rows][:, None], shape.shape),
    }


def _plain_columns(
    known: TreeEstimates, part: LevelGrid, own: LevelEstimates, rows: IntArray, longer: int
) -> Columns:
    """Sums, shares and delivery of the entities of interest."""
    at = known.at
    impressions = part.window("impressions", at, WEEK)
    bound = part.window("reach_bound", at, WEEK)
    columns: Columns = {
        "spend_7d": part.window("spend", at, WEEK),
        "spend": part.window("spend", at, ESTIMATE_DAYS),
        "longer_spend": part.window("spend", at, longer),
        "longer_leads": np.nan_to_num(part.window("leads", at, longer)),
        "delivered": part.values["impressions"][:, at] > 0,
        "recently": window_sum(part.values["impressions"] > 0, at, RECENT_DAYS) > 0,
        "frequency_bound": np.divide(
            impressions, bound, out=np.full_like(impressions, np.nan), where=bound > 0
        ),
        "expected_today": np.divide(
            part.daily("spend", at, 0),
            own.target[rows],
            out=np.zeros((rows.size, at.size)),
            where=own.target[rows] > 0,
        ),
    }
    above = part.entity_type.parent
    if above is not None:
        parents = known.levels[above].level
        spend = parents.window("spend", at, WEEK)[part.parent.index]
        columns["share_of_parent_spend"] = np.divide(
            columns["spend_7d"], spend, out=np.full_like(spend, np.nan), where=spend > 0
        )
    return columns


def _running_siblings(level: LevelGrid, at: IntArray, state: LevelState) -> FloatArray:
    """Siblings that are active and delivered lately, itself not counted: (entities, dates)."""
    delivered = window_sum(level.values["impressions"] > 0, at, RECENT_DAYS) > 0
    running = (state.is_active & delivered).astype(np.float64)
    return level.parent.spread(level.parent.total(running)) - running


def _against_parent(known: TreeEstimates, entity_type: EntityType, rows: IntArray, policy: Policy) -> Columns:
    """P(CTR >= parent's) and P(CVR < the given share of the parent's), both taken as independent."""
    own = known.levels[entity_type]
    above = known.levels[EntityType(entity_type).path[-2]]
    parent = own.level.parent.index[rows]

    def log_rate(alpha: FloatArray, beta: FloatArray) -> tuple[FloatArray, FloatArray]:
        return psi(alpha) - psi(beta), polygamma(1, alpha) + polygamma(1, beta)

    mean, variance = log_rate(own.ctr_alpha[rows], own.ctr_beta[rows])
    above_mean, above_variance = log_rate(above.ctr_alpha[parent], above.ctr_beta[parent])
    shape, rate = own.cvr.shape[rows], own.cvr.rate[rows]
    above_shape, above_rate = above.cvr.shape[parent], above.cvr.rate[parent]
    known_cvr = ~np.isnan(own.cvr_scale[rows])
    return {
        "p_ctr_above": ndtr((mean - above_mean) / np.sqrt(variance + above_variance)),
        "ctr_vs_parent": np.exp(mean - above_mean),
        "p_cvr_low": np.where(
            known_cvr,
            below_probability(shape, rate, above_shape, above_rate, policy.narrowing_cvr_ratio),
            np.nan,
        ),
        "cvr_vs_parent": np.where(known_cvr, (shape / rate) / (above_shape / above_rate), np.nan),
    }


def _lay_out(part: LevelGrid, dates: Sequence[dt.date], columns: Columns) -> pl.DataFrame:
    """Matrices (entities, dates) as a row per entity and date; NaN and "" become null."""
    entities = part.keys.height
    column = np.tile(np.arange(len(dates)), entities)
    frame = part.keys[np.repeat(np.arange(entities), len(dates))].with_columns(
        column=pl.Series(column, dtype=pl.Int64),
        date=pl.Series(list(dates), dtype=pl.Date).gather(column),
        parent_row=pl.Series(np.repeat(part.parent.index, len(dates))),
    )
    return frame.with_columns(_series(name, values) for name, values in columns.items()).with_columns(
        pl.col(pl.Float64).fill_nan(None)
    )


def _series(name: str, values: np.ndarray) -> pl.Series:
    flat = values.ravel()
    if flat.dtype.kind in "UO":
        texts = pl.Series(name, flat.astype(object), dtype=pl.String, strict=False)
        return texts.replace("", None)
    return pl.Series(name, np.ascontiguousarray(flat))


def _with_frequency(frame: pl.DataFrame, metrics: pl.DataFrame, entity_type: EntityType) -> pl.DataFrame:
    """Frequency of 7 days where the source has it, else its lower bound."""
    weekly = metrics.filter(
        pl.col("entity_type") == entity_type.value, pl.col("frequency_7d").is_not_null()
    ).select("config_id", "entity_id", "date", "frequency_7d")
    return frame.join(
        weekly, on=["config_id", "entity_id", "date"], how="left", maintain_order="left"
    ).with_columns(frequency=pl.coalesce("frequency_7d", "frequency_bound"))


def _state_columns(state: LevelState, rows: IntArray) -> Columns:
    """What each entity was on the date."""
    return {
        "is_active": state.is_active[rows],
        "is_paused": state.is_paused[rows],
        "parent_is_active": state.above_is_active[rows],
        "daily_budget": state.daily_budget[rows],
        "budget_before": state.budget_before[rows],
        "budget_owner": np.array(OWNERS)[state.owner[rows]],
        "is_learning": state.is_learning[rows],
        "edited_at": state.edited_at[rows],
    }
