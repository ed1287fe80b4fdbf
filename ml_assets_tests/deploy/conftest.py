"""The small synthetic account of the assets' tests."""

from ml_assets_tests.defs.conftest import last_day, small_source

__all__ = ["last_day", "small_source"]
