"""The plan of every account, date by date: what is issued, what blocks the rest, and the life of each case.

A chain of dates is replayed from its first one; all accounts and levels step together. What the day before
issued matters in three ways: it is held to looser bounds, it is displaced only by what is worth more by
`incumbent`, and after it was withdrawn or dismissed it stays quiet for a while.
"""

from dataclasses import dataclass, field, fields

import numpy as np

from ml_assets.entities import LEVELS
from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.recommendations.frames import GUARDS, PLAN_REASONS, TYPES
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.standing import Window

NONE = -1
_NEVER = -(10**6)
_REASONS = tuple(PLAN_REASONS)
_PLAN, _COOLDOWN, _LAST_CHILD = (GUARDS.index(name) for name in ("plan", "cooldown", "last_active_child"))
_PAUSE, _DECREASE, _TEST = (TYPES.index(name) for name in ("PAUSE", "BUDGET_DECREASE", "CREATIVE_TEST"))
_INCREASES = np.isin(np.arange(len(TYPES)), [TYPES.index(name) for name in ("SCALE_UP", "BUDGET_INCREASE")])
_GROWS = _INCREASES | np.isin(
    np.arange(len(TYPES)), [TYPES.index(name) for name in ("REACTIVATE", "AUDIENCE_EXPANSION")]
)
INACTIVE = len(TYPES)
"""Stands for a level above that is not running, where types are numbered."""

WITHDRAWN, DISMISSED, APPLIED = range(3)
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True)
class Look:
    """What is seen of every candidate on a date; as matrices (candidates, columns) on many."""

    in_force: np.ndarray
    enters: np.ndarray
    weight: FloatArray
    """Weight of evidence: log odds of the probability."""
    probability: FloatArray
    blocked_new: IntArray
    blocked_standing: IntArray
    """Index into `GUARDS` or `NONE`."""
    money: FloatArray
    frees: FloatArray
    """Daily budget that following it frees; negative where it takes some."""
    parent_is_active: np.ndarray
    running_siblings: FloatArray
    expected_today: FloatArray
    dismissed: np.ndarray
    dismissed_weight: FloatArray
    applied: np.ndarray
    changed: np.ndarray
    """A change known on the date that does what the type advises."""
    room: FloatArray
    """(accounts,): daily budget left under the monthly budget; 0 where none is set."""

    def on(self, column: int) -> "Look":
        """One column."""
        return Look(*(getattr(self, item.name)[:, column] for item in fields(self)))


@dataclass(frozen=True)
class Candidates:
    """Every (entity, type) that is in force on some date, of all levels and accounts: (candidates,)."""

    account: IntArray
    level: IntArray
    kind: IntArray
    """Index into `TYPES`."""
    entity: IntArray
    """Number of the entity, unique over levels."""
    above: IntArray
    """(candidates, levels above): entity numbers of the campaign and adset; `NONE` where there is none."""
    parent: IntArray
    """Group of siblings, unique over levels."""
    entities: int


@dataclass
class Outcome:
    """What was decided of every candidate: (candidates, asked dates)."""

    blocked: IntArray
    """Index into `GUARDS`, `NONE` where issued."""
    reason: IntArray
    """Index into `PLAN_REASONS` or `NONE`."""
    above: IntArray
    """Number of the entity above that stands in the way, or `NONE`."""
    above_kind: IntArray
    shown: np.ndarray
    """Whether there is a row: in force, or just done."""
    rank: IntArray
    first: IntArray
    """Column of the first date of the case."""
    detected: np.ndarray


@dataclass
class _State:
    """What is carried from one date to the next, per candidate and per entity."""

    standing: np.ndarray
    first: IntArray
    ended: IntArray
    ended_as: IntArray
    ended_weight: FloatArray
    best_weight: FloatArray
    was_in_force: np.ndarray
    changed: IntArray
    """(entities,): column of the last applied or detected change."""
    since_change: FloatArray
    """(entities,): expected leads since."""


@dataclass
class _Day:
    """The plan of one date in the making."""

    blocked: IntArray
    reason: IntArray
    above: IntArray
    above_kind: IntArray
    open: np.ndarray
    """Not blocked by anything yet."""
    issued: np.ndarray = field(init=False)
    rank: IntArray = field(init=False)

    def __post_init__(self) -> None:
        self.issued = np.zeros_like(self.open)
        self.rank = np.full(self.open.size, NONE, dtype=np.int64)

    def block(self, which: np.ndarray, guard: int, reason: str | None = None) -> None:
        """Block those of `which` that are still open."""
        which = which & self.open
        self.blocked[which] = guard
        if reason is not None:
            self.reason[which] = _REASONS.index(reason)
        self.open &= ~which


def replay_plan(candidates: Candidates, seen: Look, window: Window, policy: Policy) -> Outcome:
    """Step through the dates of a chain, and keep what was decided on the asked ones."""
    count, dates = candidates.kind.size, window.end - window.start
    asked = {date: number for number, date in enumerate(window.asked)}

    def table(value: int) -> IntArray:
        return np.full((count, len(asked)), value, dtype=np.int64)

    outcome = Outcome(
        blocked=table(NONE), reason=table(NONE), above=table(NONE), above_kind=table(NONE),
        shown=table(0).astype(bool), rank=table(NONE), first=table(NONE),
        detected=table(0).astype(bool),
    )  # fmt: skip
    state = _State(
        standing=np.zeros(count, dtype=bool),
        first=np.full(count, NONE, dtype=np.int64),
        ended=np.full(count, _NEVER, dtype=np.int64),
        ended_as=np.full(count, NONE, dtype=np.int64),
        ended_weight=np.zeros(count),
        best_weight=np.zeros(count),
        was_in_force=np.zeros(count, dtype=bool),
        changed=np.full(candidates.entities, _NEVER, dtype=np.int64),
        since_change=np.zeros(candidates.entities),
    )
    for date in range(dates):
        look = seen.on(date)
        detected = _end_cases(candidates, look, state, date)
        day = _plan(candidates, look, state, date, policy)
        _carry(look, state, day, date)
        if date in asked:
            _record(outcome, asked[date], look, state, day, detected)
    return outcome


def _record(
    outcome: Outcome, number: int, look: Look, state: _State, day: _Day, detected: np.ndarray
) -> None:
    outcome.blocked[:, number], outcome.reason[:, number] = day.blocked, day.reason
    outcome.above[:, number], outcome.above_kind[:, number] = day.above, day.above_kind
    outcome.rank[:, number], outcome.first[:, number] = day.rank, state.first
    outcome.detected[:, number] = detected
    outcome.shown[:, number] = look.in_force | detected


def _end_cases(candidates: Candidates, look: Look, state: _State, date: int) -> np.ndarray:
    """End what was withdrawn, dismissed, applied or done since; returns what was detected as done."""
    in_force = look.in_force
    begins = in_force & ~state.was_in_force
    state.first = np.where(begins, date, state.first)
    detected = state.standing & look.changed
    applied = look.applied | detected
    dismissed = look.dismissed
    gone = state.standing & ~in_force
    for which, kind in ((gone, WITHDRAWN), (applied, APPLIED), (dismissed, DISMISSED)):
        state.ended = np.where(which, date, state.ended)
        state.ended_as = np.where(which, kind, state.ended_as)
        state.ended_weight = np.where(which, state.best_weight, state.ended_weight)
        state.standing = state.standing & ~which
    weight = np.maximum(look.dismissed_weight, _LEAST_WEIGHT)
    state.ended_weight = np.where(dismissed, weight, state.ended_weight)
    spent = np.zeros(candidates.entities)
    spent[candidates.entity] = look.expected_today
    state.since_change = state.since_change + spent
    changed = candidates.entity[applied]
    state.changed[changed] = date
    state.since_change[changed] = 0.0
    return detected


def _plan(candidates: Candidates, look: Look, state: _State, date: int, policy: Policy) -> _Day:
    """The plan of one date, level by level from the campaigns down."""
    in_force = look.in_force
    static = np.where(state.standing, look.blocked_standing, look.blocked_new)
    size = in_force.size
    day = _Day(
        blocked=np.where(in_force, static, NONE),
        reason=np.full(size, NONE, dtype=np.int64),
        above=np.full(size, NONE, dtype=np.int64),
        above_kind=np.full(size, NONE, dtype=np.int64),
        open=in_force & (static == NONE),
    )
    changed = state.changed[candidates.entity]
    cooling = (changed > _NEVER) & (
        ((date - changed) * 24.0 < policy.cooldown_hours)
        | (state.since_change[candidates.entity] < policy.cooldown_leads)
    )
    day.block(cooling & ~state.standing, _COOLDOWN)
    _stay_quiet(look, state, day, date, policy)
    money = np.nan_to_num(look.money)
    value = money * np.where(state.standing, policy.incumbent, 1.0)
    value = value + np.where(state.standing, 1e-6, 0.0)
    gains = _GROWS[candidates.kind] | (TYPES.index("CREATIVE_WINNER") == candidates.kind)
    day.block(gains & (money <= 0) & ~state.standing, _PLAN, "no_gain")
    decided = np.full(candidates.entities, NONE, dtype=np.int64)
    left = look.room.copy()
    taken = np.zeros(left.size)
    shares = (policy.issued_campaign_share, policy.issued_adset_share, 1.0)
    for level in range(len(LEVELS)):
        here = candidates.level == level
        if not here.any():
            continue
        _heed_levels_above(candidates, look, day, decided, here)
        _one_per_entity(candidates, day, value, here)
        _keep_one_child(candidates, look, day, here)
        _one_test_per_parent(candidates, day, value, here)
        chosen = day.open & here
        decided[candidates.entity[chosen]] = candidates.kind[chosen]
        capacity = np.floor(shares[level] * policy.issued_per_day + 1e-9) - taken
        _issue(candidates, look, day, value, here, capacity, left)
        taken += np.bincount(candidates.account[day.issued & here], minlength=left.size)
    _rank(candidates, day, money)
    return day


def _stay_quiet(look: Look, state: _State, day: _Day, date: int, policy: Policy) -> None:
    """Hold back what ended lately, until time has passed or the evidence grew.

    What is given, for the first time or again, must be as sure on that very date as the rule asks: one that
    was held back by a guard meanwhile may have become less so.
    """
    ended = state.ended > _NEVER
    days = np.select(
        [state.ended_as == DISMISSED, state.ended_as == APPLIED],
        [policy.dismissed_days, 0.0],
        policy.quiet_days,
    )
    grown = (state.ended_as == DISMISSED) & (look.weight >= policy.evidence_growth * state.ended_weight)
    resting = (date - state.ended < days) & ~grown
    held = ended & ~state.standing & resting
    day.block(held & (state.ended_as == DISMISSED), _PLAN, "dismissed")
    day.block(held, _PLAN, "quiet")
    day.block(~state.standing & ~look.enters, _PLAN, "unsure_now")


def _heed_levels_above(
    candidates: Candidates, look: Look, day: _Day, decided: IntArray, here: np.ndarray
) -> None:
    """Nothing contradicts what was decided for a level above, or speaks of what cannot deliver."""
    for depth in range(candidates.above.shape[1]):
        upper = candidates.above[:, depth]
        kind = np.where(upper != NONE, decided[np.maximum(upper, 0)], NONE)
        stops = here & (kind == _PAUSE)
        shrinks = here & (kind == _DECREASE) & _GROWS[candidates.kind]
        # An only child yields to its parent: one cause, one recommendation.
        only_child = look.running_siblings == 0
        same = here & only_child & (kind == candidates.kind) & (depth == candidates.level - 1)
        held = day.open & (stops | shrinks | same)
        day.above[held], day.above_kind[held] = upper[held], kind[held]
        day.block(held, _PLAN, "level_above")
    dark = day.open & here & ~look.parent_is_active
    day.above_kind[dark] = INACTIVE
    day.block(dark, _PLAN, "level_above")


def _one_per_entity(candidates: Candidates, day: _Day, value: FloatArray, here: np.ndarray) -> None:
    """Of several actions on one entity the one that saves money first, else the one that is worth most."""
    saving = np.isin(candidates.kind, (_PAUSE, _DECREASE))
    first = _best_of(candidates.entity, np.where(saving, np.inf, value), day.open & here, candidates.kind)
    day.block(here & ~first, _PLAN, "other_action_first")


def _keep_one_child(candidates: Candidates, look: Look, day: _Day, here: np.ndarray) -> None:
    """Never pause all that run under one parent: the least sure of the pauses goes."""
    pausing = day.open & here & (candidates.kind == _PAUSE) & (candidates.level > 0)
    if not pausing.any():
        return
    per_parent = np.bincount(candidates.parent[pausing], minlength=int(candidates.parent.max()) + 1)
    all_of_them = pausing & (per_parent[candidates.parent] >= look.running_siblings + 1.0)
    least = _best_of(candidates.parent, -look.probability, all_of_them, candidates.entity)
    day.block(least, _LAST_CHILD)


def _one_test_per_parent(candidates: Candidates, day: _Day, value: FloatArray, here: np.ndarray) -> None:
    tests = day.open & here & (candidates.kind == _TEST)
    if tests.any():
        kept = _best_of(candidates.parent, value, tests, candidates.entity)
        day.block(tests & ~kept, _PLAN, "other_action_first")


def _issue(
    candidates: Candidates,
    look: Look,
    day: _Day,
    value: FloatArray,
    here: np.ndarray,
    capacity: FloatArray,
    left: FloatArray,
) -> None:
    """Issue the most valuable within the capacity and the budget; `left` is what budget remains."""
    chosen = day.open & here
    order = _order_within(candidates.account, value, chosen, candidates.entity)
    inside = chosen & (order < capacity[candidates.account])
    frees = look.frees
    accounts = candidates.account
    saved = np.bincount(
        accounts[inside & (frees > 0)], weights=frees[inside & (frees > 0)], minlength=left.size
    )
    left += saved
    asking = inside & (frees < 0)
    paid = _affordable(accounts, -frees, value, asking, left)
    unpaid = asking & ~paid
    left -= np.bincount(accounts[paid], weights=-frees[paid], minlength=left.size)
    day.block(unpaid, _PLAN, "budget")
    # The places of what cannot be paid go to the next ones that cost nothing.
    free_places = np.bincount(accounts[unpaid], minlength=left.size)
    next_ones = chosen & ~inside & (frees == 0)
    order = _order_within(accounts, value, next_ones, candidates.entity)
    moved_up = next_ones & (order < free_places[accounts])
    day.issued |= (inside & ~unpaid) | moved_up
    day.block(chosen & ~day.issued, _PLAN, "below_the_fold")


def _affordable(
    group: IntArray, cost: FloatArray, value: FloatArray, asking: np.ndarray, left: FloatArray
) -> np.ndarray:
    """Which of the asking fit into what is left of their group, the most valuable first.

    What is too dear leaves its turn to the next ones.
    """
    paid = np.zeros(asking.size, dtype=bool)
    rows = np.flatnonzero(asking)
    if not rows.size:
        return paid
    order = _order_within(group, value, asking, np.arange(asking.size))[rows]
    remaining = left + 1e-9 * np.abs(left) + 1e-9
    for turn in range(int(order.max()) + 1):
        now = rows[order == turn]
        now = now[cost[now] <= remaining[group[now]]]
        paid[now] = True
        remaining[group[now]] -= cost[now]
    return paid


def _rank(candidates: Candidates, day: _Day, money: FloatArray) -> None:
    """Place among the issued of the account and level."""
    group = candidates.account * len(LEVELS) + candidates.level
    order = _order_within(group, money, day.issued, candidates.entity)
    day.rank = np.where(day.issued, order + 1, NONE)


def _carry(look: Look, state: _State, day: _Day, date: int) -> None:
    """What the next date has to know."""
    newly = day.issued & ~state.standing
    again = newly & (state.ended > _NEVER)
    state.first = np.where(again, date, state.first)
    state.ended = np.where(again, _NEVER, state.ended)
    state.ended_as = np.where(again, NONE, state.ended_as)
    lost = state.standing & ~day.issued
    state.ended = np.where(lost, date, state.ended)
    state.ended_as = np.where(lost, WITHDRAWN, state.ended_as)
    state.ended_weight = np.where(lost, state.best_weight, state.ended_weight)
    weight = np.maximum(look.weight, _LEAST_WEIGHT)
    state.best_weight = np.where(newly, weight, np.maximum(state.best_weight, weight))
    state.standing = day.issued
    state.was_in_force = look.in_force


def _best_of(group: IntArray, score: FloatArray, chosen: np.ndarray, tie: IntArray) -> np.ndarray:
    """The chosen one with the highest score of each group; ties go to the lower `tie`."""
    return chosen & (_order_within(group, score, chosen, tie) == 0)


def _order_within(group: IntArray, score: FloatArray, chosen: np.ndarray, tie: IntArray) -> IntArray:
    """Position of each chosen one in its group by falling score, from 0; others get a position too high."""
    order = np.full(chosen.size, np.iinfo(np.int64).max, dtype=np.int64)
    rows = np.flatnonzero(chosen)
    if rows.size:
        rows = rows[np.lexsort((tie[rows], -score[rows], group[rows]))]
        starts = np.flatnonzero(np.r_[True, group[rows][1:] != group[rows][:-1]])
        sizes = np.diff(np.r_[starts, rows.size])
        order[rows] = np.arange(rows.size) - np.repeat(starts, sizes)
    return order
