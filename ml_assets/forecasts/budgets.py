"""What edits let expect of the spend: a budget that was doubled, a child that was switched off.

A forecast learns from the days before an edit as if it had been made already: their figures are scaled by
what was planned since over what was planned then.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_assets.features.grid import FloatArray, Groups

MOST_CHANGE = 10.0
"""An edit moves the spend by this factor at most."""

SHARE_DAYS = 7
"""Days before an edit over which the share of what was edited is measured."""


@dataclass(frozen=True)
class Edits:
    """What is known of the edits of one step of a tree: matrices are (nodes, days)."""

    parent: Groups
    daily_budget: FloatArray
    """NaN where there is none."""
    has_budget: np.ndarray
    """A daily or lifetime budget of its own."""
    is_active: np.ndarray
    spend: FloatArray

    def ratios(self) -> FloatArray:
        """The daily budget over that of the day before; 1 where either is not known."""
        budget = self.daily_budget
        known = (budget[:, 1:] > 0) & (budget[:, :-1] > 0)
        ratio = np.ones(budget.shape)
        ratio[:, 1:][known] = budget[:, 1:][known] / budget[:, :-1][known]
        return np.clip(ratio, 1.0 / MOST_CHANGE, MOST_CHANGE)

    def moved_above(self, ratio: FloatArray) -> FloatArray:
        """What the changes of the nodes, factors of each day, make of their parents' spend.

        By the nodes' shares of the week before; one that is switched off takes its share with it.
        """
        spend = _week_before(self.spend)
        total = self.parent.spread(self.parent.total(spend))
        share = np.divide(spend, total, out=np.zeros_like(spend), where=total > 0)
        off = np.zeros(share.shape, dtype=bool)
        off[:, 1:] = self.is_active[:, :-1] & ~self.is_active[:, 1:]
        change = self.parent.total(share * np.where(off, -1.0, ratio - 1.0))
        return np.clip(1.0 + change, 1.0 / MOST_CHANGE, MOST_CHANGE)


def planned_spend(steps: Sequence[Edits]) -> list[FloatArray]:
    """The planned spend of each day in units of the first day's: (nodes, days), by step from the top down.

    A changed budget moves what it belongs to and everything below it in proportion. What has no budget of its
    own moves with its children's budgets and loses the share of one that is switched off.
    """
    own = [step.ratios() for step in steps]
    upward = [own[-1]]
    for index in reversed(range(len(steps) - 1)):
        moved = steps[index + 1].moved_above(upward[0])
        upward.insert(0, own[index] * np.where(steps[index].has_budget, 1.0, moved))
    plans: list[FloatArray] = []
    downward = np.ones_like(own[0])
    for index, step in enumerate(steps):
        above = downward[step.parent.index] if index else downward
        ratios: FloatArray = upward[index] * np.where(step.has_budget, 1.0, above)
        plans.append(np.cumprod(ratios, axis=1, dtype=np.float64))
        downward = own[index] * above
    return plans


def _week_before(values: FloatArray) -> FloatArray:
    """Sums over the days before each: (rows, days)."""
    total = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:])
    last = np.arange(values.shape[1])
    return total[:, last] - total[:, np.maximum(last - SHARE_DAYS, 0)]
