"""What to do with every entity, how sure it is and what waiting costs. Pure: frames in, frames out."""

from ml_assets.recommendations.decide import decide
from ml_assets.recommendations.frames import DECISIONS, RECOMMENDATIONS
from ml_assets.recommendations.inputs import LOOKBACK_DAYS, DecisionInputs
from ml_assets.recommendations.policy import Policy
from ml_assets.recommendations.recommend import recommend

__all__ = [
    "DECISIONS",
    "LOOKBACK_DAYS",
    "RECOMMENDATIONS",
    "DecisionInputs",
    "Policy",
    "decide",
    "recommend",
]
