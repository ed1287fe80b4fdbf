"""The decisions of a level on any number of dates: evidence, rules, guards and plan put together."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from ml_assets.entities import LEVELS, EntityType
from ml_assets.features.estimates import TreeEstimates, estimate, grid_for
from ml_assets.features.grid import FloatArray, IntArray, TreeGrid, as_known_then
from ml_assets.features.windows import WEEK
from ml_assets.frames import empty
from ml_assets.local_days import local_date, zones_of
from ml_assets.recommendations.chains import CHAIN_DAYS, Chain, chains
from ml_assets.recommendations.changes import changes_by_type
from ml_assets.recommendations.evidence import Evidence, gather
from ml_assets.recommendations.finish import finished
from ml_assets.recommendations.frames import DECISIONS, GUARDS, PLAN_REASONS, TYPES
from ml_assets.recommendations.guards import with_guards
from ml_assets.recommendations.impact import with_impact
from ml_assets.recommendations.inputs import DecisionInputs
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.replay import NONE, Candidates, Look, Outcome, replay_plan
from ml_assets.recommendations.rules import GIVES_WAY, RULES
from ml_assets.recommendations.standing import Judged, TypeStanding, Window, combine, judge
from ml_assets.recommendations.states import LevelState, budget_room, states

MOST_CELLS = 4_000_000
"""Entities x dates estimated at once; bounds the memory of a long range."""

_ENTITY = ["config_id", "entity_type", "entity_id"]
_CHILD_GUARD = GUARDS.index("campaign_budget_child")


def decide(
    inputs: DecisionInputs,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    policy: Policy | None = None,
) -> pl.DataFrame:
    """What is advised for every entity of a level on each of `dates`, issued or blocked, in `DECISIONS`.

    A row per entity, date and type whose rule is in force, at most `policy.candidates` per entity and date.
    Levels above are decided inside, so that nothing contradicts them; only `entity_type` is returned. Sorted
    by account, date, rank and entity. A date uses no figure of a later one, and of its leads what the morning
    after it knew (`inputs.revisions`): a plan is not changed by what came in later. It does not depend on
    which other dates are asked for.
    """
    policy = policy or Policy()
    if not dates or inputs.figures.accounts.is_empty():
        return empty(DECISIONS)
    asked = chains(dates)
    every = sorted({day for chain in asked for day in chain.dates})
    tree = grid_for(inputs.figures, entity_type, every)
    if not tree.levels[entity_type].keys.height:
        return empty(DECISIONS)
    parts = [
        _decided(inputs, entity_type, batch, policy, tree)
        for batch in _batches(asked, tree.levels[entity_type].keys.height)
    ]
    return pl.concat(parts).sort(
        "config_id", "recommendation_date", "rank", "entity_id", "recommendation_type", nulls_last=True
    )


def _batches(asked: list[Chain], entities: int) -> Iterator[list[Chain]]:
    """Chains that are estimated together; neighbours overlap by one length."""
    most = max(1, MOST_CELLS // (entities * CHAIN_DAYS) - 1)
    for first in range(0, len(asked), most):
        yield asked[first : first + most]


@dataclass(frozen=True)
class _Level:
    """The candidates of one level: (entity, type) pairs and their rows of evidence on every date."""

    entity_type: EntityType
    evidence: Evidence
    judged: list[Judged]
    place: IntArray
    """(candidates,): position among the entities of interest."""
    kind: IntArray
    frame: pl.DataFrame
    """A row per candidate and date, candidates outermost, with guards and impact."""

    def matrix(self, name: str, columns: IntArray) -> np.ndarray:
        """A column as (candidates, columns); null becomes NaN in numbers and False in booleans."""
        column = self.frame[name]
        filled = column.fill_null(value=False) if column.dtype == pl.Boolean else column
        dates = len(self.evidence.dates)
        return filled.to_numpy().reshape(self.place.size, dates)[:, columns]

    def guard(self, name: str, columns: IntArray) -> IntArray:
        """A column of guards as indices into `GUARDS`."""
        numbers = {guard: number for number, guard in enumerate(GUARDS)}
        column = self.frame[name].replace_strict(numbers, default=NONE, return_dtype=pl.Int64)
        return column.to_numpy().reshape(self.place.size, len(self.evidence.dates))[:, columns]


def _decided(
    inputs: DecisionInputs,
    entity_type: EntityType,
    asked: list[Chain],
    policy: Policy,
    tree: TreeGrid,
) -> pl.DataFrame:
    dates = sorted({day for chain in asked for day in chain.dates})
    tree = as_known_then(tree, inputs.revisions, len(dates))
    known = estimate(inputs.figures, entity_type, dates, tree=tree)
    state = states(inputs.figures, tree, dates)
    # The levels do not know of each other yet, and numpy and scipy leave the interpreter to others.
    with ThreadPoolExecutor(len(entity_type.path)) as pool:
        levels = list(
            pool.map(lambda level: _level(inputs, known, level, dates, policy, state), entity_type.path)
        )
    if not sum(level.place.size for level in levels):
        return empty(DECISIONS)
    room = budget_room(inputs.figures, tree, dates)
    changes = changes_by_type(inputs.figures.versions, inputs.figures.accounts)
    found = [
        _replayed(inputs, known, levels, chain, _window(chain, dates), room, changes, policy)
        for chain in asked
    ]
    return finished(pl.concat(found), inputs.figures.metrics, policy)


def _window(chain: Chain, dates: list[dt.date]) -> Window:
    """Where the dates of a chain stand among the columns."""
    start = dates.index(chain.start)
    asked = tuple((day - chain.start).days for day in chain.asked)
    return Window(start=start, end=start + len(chain.dates), asked=asked)


def _level(
    inputs: DecisionInputs,
    known: TreeEstimates,
    entity_type: EntityType,
    dates: Sequence[dt.date],
    policy: Policy,
    state: Mapping[EntityType, LevelState],
) -> _Level:
    evidence = gather(inputs.figures, known, entity_type, dates, policy, state)
    judged = judge(evidence, entity_type, policy)
    places: list[IntArray] = []
    kinds: list[IntArray] = []
    for number, kind in enumerate(TYPES):
        own = [item for item in judged if item.rule.recommendation_type == kind]
        if own:
            place = np.flatnonzero(np.logical_or.reduce([item.enters.any(axis=1) for item in own]))
            places.append(place)
            kinds.append(np.full(place.size, number, dtype=np.int64))
    place, kind = np.concatenate(places), np.concatenate(kinds)
    count = len(dates)
    frame = evidence.frame[(place[:, None] * count + np.arange(count)).ravel()].with_columns(
        entity_type=pl.lit(entity_type.value),
        recommendation_type=pl.Series(np.repeat(kind, count)).replace_strict(
            dict(enumerate(TYPES)), return_dtype=pl.String
        ),
    )
    frame = _with_missing(frame).with_columns(
        rule=pl.when(pl.col("recommendation_type") == "AUDIENCE_REVIEW").then(
            pl.when(pl.col("p_fell") >= policy.withdraw)
            .then(pl.lit("lead_rate_fell"))
            .otherwise(pl.lit("audience_overlap"))
        )
    )
    frame = with_guards(frame, inputs.figures.accounts, inputs.suspensions, policy)
    return _Level(entity_type, evidence, judged, place, kind, with_impact(frame, policy))


OPTIONAL = {
    name: pl.Float64()
    for name in (
        "p_best", "p_worst", "p_beats", "uplift", "siblings", "others_mean", "rival_spend_7d", "p_differs",
        "test_leads", "test_money", "test_gain", "test_cost", "fatigue_score", "overlap", "p_fell",
        "p_dear_child", "p_dear_child_on_record",
        "lead_rate_change", "ctr_change", "ctr_vs_parent", "cvr_vs_parent", "share_of_parent_spend",
    )
} | {name: pl.String() for name in ("rival_id", "fatigue_verdict", "overlap_with")}  # fmt: skip
"""Evidence that not every level has."""


def _with_missing(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in OPTIONAL.items() if name not in frame.columns
    )


def _replayed(
    inputs: DecisionInputs,
    known: TreeEstimates,
    levels: list[_Level],
    chain: Chain,
    window: Window,
    room: FloatArray,
    changes: pl.DataFrame,
    policy: Policy,
) -> pl.DataFrame:
    """The rows of the lowest level on the asked dates of a chain."""
    standings = [_standings(level, window) for level in levels]
    candidates = _candidates(known, levels)
    limited = (known.tree.accounts["monthly_budget"].fill_null(0.0) > 0).to_numpy()[candidates.account]
    seen = _look(inputs, levels, standings, chain, window, room, changes, limited)
    outcome = replay_plan(candidates, seen, window, policy)
    return _rows(levels, standings, outcome, candidates, chain, window, changes)


def _standings(level: _Level, window: Window) -> TypeStanding:
    """All types of a level, candidates in their order; a type gives way to the stronger one in force."""
    parts: list[TypeStanding] = []
    by_type: dict[str, np.ndarray] = {}
    shape = (level.evidence.rows.size, window.columns.size)
    for number, kind in enumerate(TYPES):
        rows = level.place[level.kind == number]
        if not rows.size:
            continue
        own = [item for item in level.judged if item.rule.recommendation_type == kind]
        part = combine(own, rows, window)
        if kind in GIVES_WAY and GIVES_WAY[kind] in by_type:
            free = ~by_type[GIVES_WAY[kind]][rows]
            part = TypeStanding(part.in_force & free, part.enters & free, part.probability, part.rule)
        spread = np.zeros(shape, dtype=bool)
        spread[rows] = part.in_force
        by_type[kind] = spread
        parts.append(part)
    if not parts:
        none = np.zeros((0, window.columns.size))
        return TypeStanding(none.astype(bool), none.astype(bool), none, none.astype(np.int64))
    return TypeStanding(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("in_force", "enters", "probability", "rule")
        )
    )


def _candidates(known: TreeEstimates, levels: list[_Level]) -> Candidates:
    heights = [known.levels[level.entity_type].level.keys.height for level in levels]
    offset = np.r_[0, np.cumsum(heights)]
    entity, parent, account, above = [], [], [], []
    for depth, level in enumerate(levels):
        row = level.evidence.rows[level.place]
        grid = known.levels[level.entity_type].level
        entity.append(offset[depth] + row)
        account.append(grid.account.index[row])
        group = grid.parent.index[row]
        parent.append(offset[-1] + group if depth == 0 else offset[depth - 1] + group)
        levels_above = np.full((row.size, max(1, len(LEVELS) - 1)), NONE, dtype=np.int64)
        upper = row
        for step in range(depth - 1, -1, -1):
            upper = known.levels[levels[step + 1].entity_type].level.parent.index[upper]
            levels_above[:, step] = offset[step] + upper
        above.append(levels_above)
    return Candidates(
        account=np.concatenate(account),
        level=np.concatenate([np.full(level.place.size, depth) for depth, level in enumerate(levels)]),
        kind=np.concatenate([level.kind for level in levels]),
        entity=np.concatenate(entity),
        above=np.concatenate(above),
        parent=np.concatenate(parent),
        entities=int(offset[-1]) + known.tree.accounts.height,
    )


def _look(
    inputs: DecisionInputs,
    levels: list[_Level],
    standings: list[TypeStanding],
    chain: Chain,
    window: Window,
    room: FloatArray,
    changes: pl.DataFrame,
    limited: np.ndarray,
) -> Look:
    """What is seen of all candidates on the columns of the window; `limited`: a monthly budget is set."""
    columns = window.columns

    def joined(name: str) -> np.ndarray:
        return np.concatenate([level.matrix(name, columns) for level in levels])

    probability = np.concatenate([part.probability for part in standings])
    clipped = np.clip(np.nan_to_num(probability, nan=0.5), 1e-6, 1.0 - 1e-6)
    kind = np.concatenate([level.kind for level in levels])
    pauses = (kind == TYPES.index("PAUSE"))[:, None]
    # What is taken up again spends its budget again; without a limit there is nothing to hold it against.
    resumes = (limited & (kind == TYPES.index("REACTIVATE")))[:, None]
    budget = np.nan_to_num(joined("daily_budget").astype(np.float64))
    step = np.nan_to_num(joined("step").astype(np.float64))
    # A campaign whose budgets are on its adsets frees theirs when it stops: what it spends a day.
    spent = np.nan_to_num(joined("spend_7d").astype(np.float64)) / WEEK
    campaigns = np.concatenate(
        [np.full(level.place.size, level.entity_type is EntityType.CAMPAIGN) for level in levels]
    )
    below = campaigns[:, None] & (joined("budget_owner") == EntityType.ADSET.value)
    told = _told(inputs, levels, chain, changes)
    standing = np.concatenate([level.guard("blocked_standing", columns) for level in levels])
    worst = np.concatenate([_worst_in_force(level, window) for level in levels])
    return Look(
        in_force=np.concatenate([part.in_force for part in standings]),
        enters=np.concatenate([part.enters for part in standings]),
        weight=np.log(clipped / (1.0 - clipped)),
        probability=clipped,
        blocked_new=np.concatenate([level.guard("blocked_new", columns) for level in levels]),
        blocked_standing=np.where(worst & (standing == _CHILD_GUARD), NONE, standing),
        money=joined("money_per_week").astype(np.float64),
        frees=np.select([pauses & below, pauses, resumes], [spent, budget, -budget], default=-step * budget),
        parent_is_active=joined("parent_is_active").astype(bool),
        running_siblings=joined("running_siblings").astype(np.float64),
        expected_today=joined("expected_today").astype(np.float64),
        dismissed=told["dismissed"],
        dismissed_weight=told["weight"],
        applied=told["applied"],
        changed=told["changed"],
        room=room[:, columns],
    )


def _worst_in_force(level: _Level, window: Window) -> np.ndarray:
    """Where a pause is that of the worst of its siblings: (candidates, columns)."""
    found = np.zeros((level.place.size, window.columns.size), dtype=bool)
    pauses = level.kind == TYPES.index("PAUSE")
    for item in level.judged:
        if item.rule.name == "worst_of_siblings":
            found[pauses] = item.in_force(window)[level.place[pauses]]
    return found


def _told(
    inputs: DecisionInputs, levels: list[_Level], chain: Chain, changes: pl.DataFrame
) -> dict[str, np.ndarray]:
    """What people did, and what changed, on the dates of the chain: matrices (candidates, dates)."""
    numbered = _numbered(levels)
    shape = (numbered.height, len(chain.dates))
    told = {name: np.zeros(shape, dtype=bool) for name in ("dismissed", "applied", "changed")}
    weight = np.zeros(shape)
    accounts = inputs.figures.accounts
    zones = accounts.select("config_id", pl.col("timezone").fill_null("UTC"))
    acted = inputs.actions.join(zones, on="config_id", how="inner").with_columns(
        date=local_date(pl.col("at"), pl.col("timezone"), zones_of(accounts))
    )
    odds = pl.col("confidence_score").fill_null(0.5).clip(1e-6, 1.0 - 1e-6)
    acted = acted.with_columns(weight=(odds / (1.0 - odds)).log())
    key = [*_ENTITY, "recommendation_type"]
    in_chain = pl.col("date").is_between(chain.dates[0], chain.dates[-1])
    column = (pl.col("date") - chain.dates[0]).dt.total_days()
    for action in ("dismissed", "applied"):
        rows = (
            acted.filter(in_chain, pl.col("action") == action)
            .join(numbered, on=key, how="inner")
            .with_columns(column=column)
        )
        place = (rows["number"].to_numpy(), rows["column"].to_numpy())
        told[action][place] = True
        if action == "dismissed":
            weight[place] = rows["weight"].to_numpy()
    seen = changes.filter(in_chain).join(numbered, on=key, how="inner").with_columns(column=column)
    told["changed"][seen["number"].to_numpy(), seen["column"].to_numpy()] = True
    return {**told, "weight": weight}


def _numbered(levels: list[_Level]) -> pl.DataFrame:
    """config_id, entity_type, entity_id, recommendation_type and number of every candidate."""
    return pl.concat(
        level.frame.gather_every(len(level.evidence.dates)).select(*_ENTITY, "recommendation_type")
        for level in levels
    ).with_columns(number=pl.int_range(pl.len()))


def _rows(
    levels: list[_Level],
    standings: list[TypeStanding],
    outcome: Outcome,
    candidates: Candidates,
    chain: Chain,
    window: Window,
    changes: pl.DataFrame,
) -> pl.DataFrame:
    """The shown candidates of the lowest level on the asked dates, with everything that was decided."""
    lowest, standing = levels[-1], standings[-1]
    first = sum(level.place.size for level in levels[:-1])
    candidate, asked = np.nonzero(outcome.shown[first:])
    place = (first + candidate, asked)
    date = np.array(window.asked)[asked]
    blocked, reason, above = outcome.blocked[place], outcome.reason[place], outcome.above[place]
    names = _names_of(levels, candidates)
    frame = lowest.frame[candidate * len(lowest.evidence.dates) + window.start + date]
    rule = standing.rule[candidate, date]
    day_of = pl.Series(chain.dates, dtype=pl.Date)

    def named(numbers: np.ndarray, words: Sequence[str]) -> pl.Series:
        mapping = dict(enumerate(words))
        return pl.Series(numbers).replace_strict(mapping, default=None, return_dtype=pl.String)

    by_rule = {item.rule.name: item for item in lowest.judged}
    rules = [item.name for item in RULES]
    above_kind = named(outcome.above_kind[place], (*TYPES, "INACTIVE"))
    frame = frame.with_columns(
        recommendation_date=day_of.gather(date),
        rule=pl.coalesce(named(rule, rules).alias("rule"), "rule"),
        probability=pl.Series(standing.probability[candidate, date]).fill_nan(None),
        blocked_by=named(blocked, GUARDS),
        plan_reason=named(reason, tuple(PLAN_REASONS)),
        above_number=pl.Series(above),
        above_action=above_kind,
        rank=pl.Series(outcome.rank[place]).replace(NONE, None),
        first_date=day_of.gather(np.maximum(outcome.first[place], 0)),
        was_detected=pl.Series(outcome.detected[place]),
    ).with_columns(
        enters_at=pl.col("rule").replace_strict(
            {name: item.enters_at for name, item in by_rule.items()}, default=None, return_dtype=pl.Float64
        ),
        withdraws_below=pl.col("rule").replace_strict(
            {name: item.withdraws_below for name, item in by_rule.items()},
            default=None,
            return_dtype=pl.Float64,
        ),
    )
    frame = frame.join(names, on="above_number", how="left", maintain_order="left")
    done = changes.select(
        *_ENTITY, "recommendation_type", pl.col("date").alias("recommendation_date"), detected_at="at"
    )
    return frame.join(
        done, on=[*_ENTITY, "recommendation_type", "recommendation_date"], how="left", maintain_order="left"
    ).with_columns(
        detected_at=pl.when("was_detected").then("detected_at"),
        blocked_by=pl.when("was_detected").then(None).otherwise("blocked_by"),
        plan_reason=pl.when("was_detected").then(None).otherwise("plan_reason"),
    )


def _names_of(levels: list[_Level], candidates: Candidates) -> pl.DataFrame:
    """above_number -> above_type, above_id of the candidates' entities."""
    numbered = _numbered(levels).with_columns(above_number=pl.Series(candidates.entity))
    return numbered.select("above_number", above_type="entity_type", above_id="entity_id").unique(
        "above_number", keep="first", maintain_order=True
    )
