"""Small exports for the tests, written as Ads Manager or a spreadsheet would write them."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import xlsxwriter

CAMPAIGN, ADSET, AD = "120210000000000117", "120210000000000217", "120210000000000317"

ROW: Mapping[str, str] = {
    "Reporting starts": "2025-12-01",
    "Reporting ends": "2025-12-31",
    "Account name": "Clinic",
    "Account ID": "act_1234567890",
    "Campaign name": "Leads",
    "Campaign ID": CAMPAIGN,
    "Ad set name": "Broad",
    "Ad set ID": ADSET,
    "Ad name": "Video 1",
    "Ad ID": AD,
    "Day": "2025-12-01",
    "Amount spent (BRL)": "10.50",
    "Results": "2",
    "Result indicator": "actions:lead",
    "Impressions": "1000",
    "Reach": "900",
    "Frequency": "1.111111",
    "Link clicks": "15",
    "Clicks (all)": "30",
}
"""One ordinary row at ad level."""


def row(**changes: str | None) -> dict[str, str]:
    """ROW with changes; keys are headings in snake case or exact. None removes the column."""
    result = dict(ROW)
    aliases = {heading.split(" (")[0].lower().replace(" ", "_"): heading for heading in ROW}
    for key, value in changes.items():
        heading = aliases.get(key, key)
        if value is None:
            result.pop(heading)
        else:
            result[heading] = value
    return result


def days(count: int, **changes: str | None) -> list[dict[str, str]]:
    """`count` ordinary rows from 2025-12-01 on."""
    return [row(**{"day": f"2025-12-{number:02d}", **changes}) for number in range(1, count + 1)]


def as_text(rows: Sequence[Mapping[str, str]], separator: str = ",") -> str:
    """Rows as CSV; headings in the order in which they first occur."""
    headings = list(dict.fromkeys(heading for line in rows for heading in line))
    out = io.StringIO()
    writer = csv.DictWriter(out, headings, delimiter=separator, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(
    path: Path, rows: Sequence[Mapping[str, str]], separator: str = ",", encoding: str = "utf-8"
) -> Path:
    """A CSV file of the rows."""
    path.write_bytes(as_text(rows, separator).encode(encoding))
    return path


def write_workbook(path: Path, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    """A workbook whose cells have the types of the values given."""
    workbook = xlsxwriter.Workbook(path, {"default_date_format": "dd/mm/yyyy", "remove_timezone": True})
    sheet = workbook.add_worksheet("Raw Data Report")
    sheet.write_row(0, 0, list(headings))
    for number, cells in enumerate(rows, start=1):
        sheet.write_row(number, 0, list(cells))
    workbook.close()
    return path
