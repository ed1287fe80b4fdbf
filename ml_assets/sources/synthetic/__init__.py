"""A synthetic Meta Ads account with known truth, for the demo, tests and benchmarks."""

from ml_assets.sources.synthetic.config import SyntheticConfig
from ml_assets.sources.synthetic.source import SyntheticSource
from ml_assets.sources.synthetic.truth import Truth

__all__ = ["SyntheticConfig", "SyntheticSource", "Truth"]
