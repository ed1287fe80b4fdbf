"""The report of an account and a date: what a marketer wants first, from the stored results.

`content` reads and selects, `tables` draws for the terminal. Nothing is computed anew here.
"""

from ml_assets.report.content import AccountReport, read_report
from ml_assets.report.tables import draw

__all__ = ["AccountReport", "draw", "read_report"]
