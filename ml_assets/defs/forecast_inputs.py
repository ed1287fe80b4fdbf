"""Reading what forecasts are made from: figures of all levels, and what their leads were on past mornings."""

import datetime as dt
from typing import TYPE_CHECKING

from ml_assets.defs.inputs import read_feature_inputs
from ml_assets.defs.scope import Scope
from ml_assets.entities import LEVELS
from ml_assets.forecasts.inputs import LOOKBACK_DAYS, ForecastInputs
from ml_assets.storage.development import read_lead_revisions

if TYPE_CHECKING:
    from sqlalchemy import Connection


def read_forecast_inputs(connection: "Connection", scope: Scope) -> tuple[ForecastInputs, int]:
    """What the dates of a run are forecast from, and how many account days were conformed on the way.

    All levels and entities of the accounts are read whatever the run is restricted to: a forecast is one of
    the whole tree.
    """
    figures, days_conformed = read_feature_inputs(connection, scope, LOOKBACK_DAYS, LEVELS)
    start, end = scope.keys.start - dt.timedelta(days=LOOKBACK_DAYS), scope.keys.end
    revisions = read_lead_revisions(connection, start, end, scope.config_ids, figures.entities)
    return ForecastInputs(figures, revisions), days_conformed
