"""Which rules are in force on which date: in at one threshold, out at a lower one, replayed date by date.

Rules of one entity do not know of each other here; the plan is in `replay`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.features.grid import FloatArray, IntArray
from ml_assets.recommendations.evidence import Evidence
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.rules import RULES, Rule, needs_cpl, rules_of

NO_RULE = -1


@dataclass(frozen=True)
class Judged:
    """One rule on every entity of interest and date: matrices (entities, dates)."""

    rule: Rule
    enters_at: float
    withdraws_below: float
    probability: FloatArray
    enters: np.ndarray
    stays: np.ndarray

    def in_force(self, window: "Window") -> np.ndarray:
        """Whether the rule is in force on the columns of `window`: (entities, columns)."""
        state = np.zeros(self.enters.shape[0], dtype=bool)
        chain: list[np.ndarray] = []
        for column in range(window.start, window.end):
            state = (state | self.enters[:, column]) & self.stays[:, column]
            chain.append(state)
        return np.stack(chain, axis=1)


@dataclass(frozen=True)
class Window:
    """A chain among the columns of the evidence: [start, end), and which numbers in it were asked for."""

    start: int
    end: int
    asked: tuple[int, ...]

    @property
    def columns(self) -> IntArray:
        """The columns of the chain."""
        return np.arange(self.start, self.end)


def judge(evidence: Evidence, entity_type: EntityType, policy: Policy) -> list[Judged]:
    """Every rule of the level on the evidence.

    A rule comes into force only on a date on which the entity delivered, since without new data a posterior
    is not looked at again; a rule for what stands still is asked of entities that are paused themselves.
    """
    runs = pl.col("is_active") & pl.col("recently")
    paused = pl.col("is_paused") & ~pl.col("delivered")
    judged: list[Judged] = []
    for rule in rules_of(entity_type):
        verdict = rule.judge(policy)
        applies = paused if rule.is_of_paused else runs
        if needs_cpl(rule):
            applies &= pl.col("judged")
        enough = verdict.probability >= verdict.enters_at
        for condition in verdict.conditions:
            enough &= condition.holds
        if not rule.is_of_paused:
            enough &= pl.col("delivered")
        stays = applies & (verdict.probability >= verdict.withdraws_below)
        if verdict.stays is not None:
            stays &= verdict.stays
        frame = evidence.frame.select(
            probability=verdict.probability.cast(pl.Float64).fill_null(float("nan")),
            enters=(applies & enough).fill_null(value=False),
            stays=stays.fill_null(value=False),
        )
        shape = (evidence.rows.size, len(evidence.dates))
        judged.append(
            Judged(
                rule,
                verdict.enters_at,
                verdict.withdraws_below,
                frame["probability"].to_numpy().reshape(shape),
                frame["enters"].to_numpy().reshape(shape),
                frame["stays"].to_numpy().reshape(shape),
            )
        )
    return judged


@dataclass(frozen=True)
class TypeStanding:
    """One recommendation type on its candidates: (candidates, columns of a window)."""

    in_force: np.ndarray
    enters: np.ndarray
    probability: FloatArray
    rule: IntArray
    """Index into `RULES` of the rule that speaks for it, the surest of those in force; `NO_RULE`."""


def combine(judged: list[Judged], rows: IntArray, window: Window) -> TypeStanding:
    """The rules of one type as one, for the given entities of interest."""
    columns = window.columns
    shape = (rows.size, columns.size)
    in_force, enters = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    probability, rule = np.full(shape, -1.0), np.full(shape, NO_RULE, dtype=np.int64)
    for item in judged:
        part = item.in_force(window)[rows]
        own = np.nan_to_num(item.probability[rows[:, None], columns], nan=-1.0)
        surer = part & (own > probability)
        probability = np.where(surer, own, probability)
        rule = np.where(surer, RULES.index(item.rule), rule)
        in_force |= part
        enters |= item.enters[rows[:, None], columns]
    return TypeStanding(in_force, enters, np.where(rule == NO_RULE, np.nan, probability), rule)
