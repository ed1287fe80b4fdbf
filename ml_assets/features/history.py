"""What the entities of a level were on many dates at once, as matrices: `state_as_of` for whole levels.

A version holds until the next one, so the newest version known on a date is a running maximum over the
versions' numbers; every field is then one look-up. Says the same as `entity_state.state_as_of`.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from ml_assets.entities import EntityType
from ml_assets.entity_state import ACTIVE, decode_fields
from ml_assets.features.grid import FloatArray, Groups, IntArray
from ml_assets.local_days import local_date, zones_of

NO_VERSION = -1
PAUSED = "PAUSED"

EDITED = (
    "status",
    "daily_budget",
    "lifetime_budget",
    "bid_strategy",
    "objective",
    "optimization_goal",
    "attribution_setting",
    "targeting",
)
"""Fields somebody edits; the others follow from edits elsewhere or from delivery."""

_NOT_A_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class LevelHistory:
    """The versions of the entities of a level, and which was the newest on each date.

    Matrices are (entities, dates) in the order of the keys given; `current` is how the entities are now.
    """

    versions: pl.DataFrame
    newest: IntArray
    """Row of `versions`, or `NO_VERSION` before the first one."""
    newest_edit: IntArray
    """Row of the newest version that somebody made; the first version of an entity is not an edit."""
    ever: np.ndarray
    """(entities,): there is a version, if only a later one."""
    current: pl.DataFrame

    def numbers(self, name: str, where: IntArray | None = None) -> FloatArray:
        """A numeric field, NaN where unknown; `where` are rows of `versions` in place of the newest ones."""
        newest = self.newest if where is None else where
        told = np.append(self.versions[name].cast(pl.Float64).fill_null(np.nan).to_numpy(), np.nan)
        now = self.current[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        return np.where(newest != NO_VERSION, told[newest], np.where(self.ever, np.nan, now)[:, None])

    def is_word(self, name: str, word: str) -> np.ndarray:
        """Where a text field is `word`, whatever its case; False where unknown."""
        is_word = (pl.col(name).str.to_uppercase() == word).fill_null(value=False)
        return self._flags(is_word)

    def is_known(self, name: str) -> np.ndarray:
        """Where a field is known."""
        return self._flags(pl.col(name).is_not_null())

    def _flags(self, flag: pl.Expr) -> np.ndarray:
        told = np.append(self.versions.select(flag.alias("f"))["f"].to_numpy(), False)
        now = self.current.select(flag.alias("f"))["f"].to_numpy() & ~self.ever
        return np.where(self.newest != NO_VERSION, told[self.newest], now[:, None])

    def edited_at(self) -> IntArray:
        """Moment of the newest edit in microseconds since 1970, or the least integer."""
        moments = np.append(self.versions["known_at"].to_physical().to_numpy(), _NOT_A_TIME)
        edits = np.where(self.newest_edit != NO_VERSION, moments[self.newest_edit], _NOT_A_TIME)
        told = np.append(_moments(self.versions["last_significant_edit_at"]), _NOT_A_TIME)
        now = np.where(self.ever, _NOT_A_TIME, _moments(self.current["last_significant_edit_at"]))
        significant = np.where(self.newest != NO_VERSION, told[self.newest], now[:, None])
        return np.maximum(edits, significant)

    @cached_property
    def status_is_known(self) -> np.ndarray:
        """Where Meta's status is known, one way or the other."""
        return self.is_known("status") | self.is_known("effective_status")

    def budget(self, name: str) -> FloatArray:
        """A budget; where not even the status is known of a date, the one of now."""
        now = self.current[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        told = self.numbers(name)
        return np.where(np.isnan(told) & ~self.status_is_known, now[:, None], told)

    def has_budget(self) -> np.ndarray:
        """Where a daily or lifetime budget is set."""
        return (self.budget("daily_budget") > 0) | (self.budget("lifetime_budget") > 0)

    def is_active(
        self, on_day: np.ndarray, recently: np.ndarray, above: np.ndarray | None, parent: Groups
    ) -> np.ndarray:
        """Active at the end of the date: by status, else by delivery `on_day` or `recently`.

        `above` is the same of the level above; it counts where only the plain status is known.
        """
        effective = self.is_known("effective_status")
        active = np.where(effective, self.is_word("effective_status", ACTIVE), self.is_word("status", ACTIVE))
        before_first = self.ever[:, None] & (self.newest == NO_VERSION)
        state = np.where(before_first, on_day, np.where(self.status_is_known, active, recently))
        if above is None:
            return state
        asks = ~effective & self.is_known("status")
        return state & (~asks | parent.spread(above))


def level_history(
    entities: pl.DataFrame,
    versions: pl.DataFrame,
    accounts: pl.DataFrame,
    entity_type: EntityType,
    keys: pl.DataFrame,
    dates: Sequence[dt.date],
) -> LevelHistory:
    """The history of the entities `keys` (config_id, entity_id) of a level on `dates`, which increase.

    `entities` in ENTITIES, `versions` in ENTITY_VERSIONS. A version counts from the account-local day on
    which it was known.
    """
    key = ["config_id", "entity_id"]
    of_level = pl.col("entity_type") == entity_type.value
    zones = accounts.select("config_id", pl.col("timezone").fill_null("UTC"))
    placed = (
        versions.filter(of_level)
        .join(keys.select(*key, row=pl.int_range(pl.len())), on=key, how="inner")
        .join(zones, on="config_id", how="inner")
        .with_columns(day=local_date(pl.col("known_at"), pl.col("timezone"), zones_of(accounts)))
        .sort("row", "known_at")
    )
    decoded = decode_fields(placed).with_columns(
        edited=(pl.col("row") == pl.col("row").shift(1))
        & pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in EDITED)
    )
    rows = decoded["row"].to_numpy()
    ordinals = np.array([day.toordinal() for day in dates], dtype=np.int64)
    epoch = dt.date(1970, 1, 1).toordinal()
    columns = np.searchsorted(ordinals, decoded["day"].to_physical().to_numpy() + epoch, side="left")
    edited = decoded["edited"].fill_null(value=False).to_numpy()
    ever = np.zeros(keys.height, dtype=bool)
    ever[rows] = True
    shape = (keys.height, len(dates))
    return LevelHistory(
        versions=decoded,
        newest=_newest(shape, rows, columns, np.ones(rows.size, dtype=bool)),
        newest_edit=_newest(shape, rows, columns, edited),
        ever=ever,
        current=keys.select(key).join(
            entities.filter(of_level).unique(key, keep="last", maintain_order=True),
            on=key,
            how="left",
            maintain_order="left",
        ),
    )


def _newest(shape: tuple[int, int], rows: IntArray, columns: IntArray, chosen: np.ndarray) -> IntArray:
    """Number of the newest chosen version of each row by each column."""
    newest = np.full(shape, NO_VERSION, dtype=np.int64)
    inside = chosen & (columns < shape[1])
    np.maximum.at(newest, (rows[inside], columns[inside]), np.flatnonzero(inside))
    return np.maximum.accumulate(newest, axis=1)


def _moments(times: pl.Series) -> IntArray:
    return times.to_physical().fill_null(_NOT_A_TIME).to_numpy()
