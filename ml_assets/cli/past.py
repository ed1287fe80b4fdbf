"""What the decisions of a past date were made from: the figures as the assets would have had them then.

The cut in time is `ml_assets.storage.as_of`; checks and conforming are those of the asset `entity_metrics`.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_assets.recommendations.inputs import LOOKBACK_DAYS, DecisionInputs

if TYPE_CHECKING:
    import polars as pl
    import sqlalchemy as sa

    from ml_assets.frames import Schema
    from ml_assets.storage.as_of import History


MOST_ROWS = 1_000_000
"""Rows of entity metrics decided at once; bounds the memory of a replay."""


@dataclass(frozen=True)
class Past:
    """One account's history, what people did (USER_ACTIONS), and what was suspended (SUSPENSIONS)."""

    config_id: int
    history: "History"
    actions: "pl.DataFrame"
    suspensions: "pl.DataFrame"

    def inputs(self, date: dt.date, *, current_figures: bool = False) -> DecisionInputs:
        """What `decide` would have been given for `date` on the morning after it.

        `current_figures`: with every figure as it stands now instead. Nothing of a later date is in it.
        """
        import polars as pl

        from ml_assets.entity_metrics import conform_insights, newest_readings
        from ml_assets.features.inputs import FeatureInputs
        from ml_assets.frames import ENTITY_METRICS, conform
        from ml_assets.storage.as_of import known_until

        known = self.history.at(date, current_figures=current_figures)
        readings = newest_readings(known.insights.filter(pl.col("window_days") == 1))
        metrics = (
            conform_insights(known.insights, known.entities)
            .drop("known_at")
            .join(readings, on=["config_id", "entity_type", "date"], how="left", maintain_order="left")
        )
        until = known_until(self.history.accounts, date)
        figures = FeatureInputs(
            accounts=self.history.accounts,
            entities=known.entities,
            versions=known.versions,
            metrics=conform(metrics, ENTITY_METRICS, "entity metrics"),
            development=known.development,
        )
        return DecisionInputs(
            figures=figures,
            actions=self.actions.join(until, on="config_id")
            .filter(pl.col("at") <= pl.col("known_until"))
            .drop("known_until"),
            suspensions=self.suspensions.filter(pl.col("date") <= date),
            revisions=known.revisions,
        )

    def batches(
        self, dates: Sequence[dt.date], *, current_figures: bool = False
    ) -> "Iterator[tuple[list[dt.date], list[dt.date], DecisionInputs]]":
        """Dates, those of which figures were known, and the inputs of the latter, a fortnight at a time.

        Each date is an account of its own there, numbered by its ordinal, which knows nothing of the
        others: what is decided for all of them at once is what would be decided one by one, in a fraction
        of the time. `own_rows` takes the results apart.
        """
        import polars as pl

        from ml_assets.recommendations.chains import chains

        for chain in chains(dates):
            looked_at: list[dt.date] = []
            parts: dict[dt.date, DecisionInputs] = {}
            rows = 0
            for date in chain.asked:
                inputs = self.inputs(date, current_figures=current_figures)
                metrics = inputs.figures.metrics
                looked_at.append(date)
                if not metrics.filter(pl.col("date") == date).is_empty():
                    parts[date] = inputs
                    rows += metrics.height
                if rows > MOST_ROWS or date == chain.asked[-1]:
                    yield looked_at, list(parts), _together(parts)
                    looked_at, parts, rows = [], {}, 0

    def own_rows(self, frame: "pl.DataFrame", date_column: str) -> "pl.DataFrame":
        """Of a frame made from a batch: every account's rows on its own date, as rows of the real account."""
        import polars as pl

        own = pl.lit(dt.date(1, 1, 1)) + pl.duration(days=pl.col("config_id") - 1)
        return frame.filter(pl.col(date_column) == own).with_columns(
            config_id=pl.lit(self.config_id, dtype=pl.Int64)
        )


def _together(parts: "Mapping[dt.date, DecisionInputs]") -> DecisionInputs:
    """The inputs of several dates as inputs of as many accounts."""
    import polars as pl

    from ml_assets.features.inputs import FeatureInputs
    from ml_assets.frames import (
        ACCOUNTS,
        ENTITIES,
        ENTITY_METRICS,
        ENTITY_VERSIONS,
        LEAD_DEVELOPMENT,
        LEAD_REVISIONS,
        empty,
    )
    from ml_assets.recommendations.frames import SUSPENSIONS, USER_ACTIONS

    def joined(schema: "Schema", frames: "Iterable[pl.DataFrame]") -> "pl.DataFrame":
        numbered = [
            frame.with_columns(config_id=pl.lit(date.toordinal(), dtype=pl.Int64))
            for date, frame in zip(parts, frames, strict=True)
        ]
        return pl.concat(numbered) if numbered else empty(schema)

    figures = [inputs.figures for inputs in parts.values()]
    return DecisionInputs(
        FeatureInputs(
            accounts=joined(ACCOUNTS, (part.accounts for part in figures)),
            entities=joined(ENTITIES, (part.entities for part in figures)),
            versions=joined(ENTITY_VERSIONS, (part.versions for part in figures)),
            metrics=joined(ENTITY_METRICS, (part.metrics for part in figures)),
            development=joined(LEAD_DEVELOPMENT, (part.development for part in figures)),
        ),
        actions=joined(USER_ACTIONS, (part.actions for part in parts.values())),
        suspensions=joined(SUSPENSIONS, (part.suspensions for part in parts.values())),
        revisions=joined(LEAD_REVISIONS, (part.revisions for part in parts.values())),
    )


def read_past(connection: "sa.Connection", first: dt.date, last: dt.date, config_id: int) -> Past:
    """What is needed to decide the dates [first, last] of an account again.

    Figures that cannot be right and entities without their place in the tree are left out, as the asset
    `entity_metrics` leaves them out; it is also the asset that reports them.
    """
    import polars as pl

    from ml_assets.entities import EntityType
    from ml_assets.sources.checks import check_insights, check_parents
    from ml_assets.storage.as_of import read_history
    from ml_assets.storage.recommendations import read_suspensions, read_user_actions

    start = first - dt.timedelta(days=LOOKBACK_DAYS)
    history = read_history(connection, start, last, [config_id])
    now = dt.datetime.now(dt.UTC)
    placed = check_parents(history.entities, source="ads_insights", rejected_at=now).kept
    campaigns = history.insights.filter(pl.col("entity_type") == EntityType.CAMPAIGN.value)
    key = ["entity_type", "entity_id"]
    known = pl.concat([placed.select(key), campaigns.select(key).unique()])
    kept = check_insights(history.insights, source="ads_insights", now=now, entities=known).kept
    return Past(
        config_id=config_id,
        history=replace(history, entities=placed, insights=kept).followed(),
        actions=read_user_actions(connection, [config_id], start),
        suspensions=read_suspensions(connection, start, last, [config_id]),
    )
