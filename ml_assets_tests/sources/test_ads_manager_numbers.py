"""Numbers and days are read as they were meant, or the file is refused."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_assets.errors import UnreadableExportError
from ml_assets.sources.ads_manager import read_export
from ml_assets.sources.ads_manager.dates import AmbiguousDatesError, DateEvidence, parse_dates
from ml_assets.sources.ads_manager.numbers import AmbiguousColumnError, Kind, parse_columns
from ml_assets_tests.sources.ads_manager_files import days, row, write

LOCALES = {
    "en": (",", ".", ""),
    "pt": (".", ",", ""),
    "pt currency": (".", ",", "R$ "),
    "us currency": (",", ".", "US$ "),
    "fr": ("\u00a0", ",", ""),
    "fr narrow": ("\u202f", ",", ""),
    "ch": ("'", ".", "CHF "),
    "plain": ("", ".", ""),
    "plain comma": ("", ",", "€"),
}


def written(cents: int, locale: str) -> str:
    group, decimal, symbol = LOCALES[locale]
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}{symbol}{whole:,}".replace(",", group) + f"{decimal}{rest:02d}"


def numbers(cells: list[str | None], kind: Kind = "decimal") -> list[float | None]:
    parsed, errors = parse_columns(pl.DataFrame({"x": cells}, schema={"x": pl.String}), {"x": kind})
    if errors:
        raise errors["x"]
    return parsed["x"].values.to_list()


@settings(deadline=None)
@given(
    st.lists(st.integers(-(10**11), 10**11), min_size=1, max_size=30),
    st.sampled_from(sorted(LOCALES)),
)
@example([174185, 100], "pt currency")
@example([0], "plain comma")
def test_money_written_in_a_locale_is_read_back_as_the_same_money(cents: list[int], locale: str) -> None:
    assert numbers([written(value, locale) for value in cents]) == [value / 100 for value in cents]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=30),
    st.sampled_from([",", ".", "", " ", "\u00a0", "'"]),
)
@example([1741], ".")
@example([1741], ",")
def test_counts_written_with_any_grouping_are_read_back(counts: list[int], group: str) -> None:
    assert numbers([f"{count:,}".replace(",", group) for count in counts], "count") == counts


@pytest.mark.parametrize("cell", ["1.741", "1,741", "R$ 1.741"])
def test_money_that_may_be_a_thousand_or_a_fraction_is_not_guessed(cell: str) -> None:
    with pytest.raises(AmbiguousColumnError):
        numbers([cell, "12"])


def test_other_columns_of_the_file_decide_what_one_column_leaves_open() -> None:
    frame = pl.DataFrame({"spend": ["1.741", "2.500"], "frequency": ["1,25", "1,5"]})
    parsed, errors = parse_columns(frame, {"spend": "decimal", "frequency": "decimal"})
    assert not errors
    assert parsed["spend"].values.to_list() == [1741, 2500]
    counts = pl.DataFrame({"spend": ["1.741", "2.500"], "impressions": ["12,100", "900"]})
    parsed, errors = parse_columns(counts, {"spend": "decimal", "impressions": "count"})
    assert parsed["spend"].values.to_list() == [1.741, 2.5]


def test_a_currency_without_cents_makes_three_digits_a_thousand() -> None:
    assert numbers(["1.741", "950"], "whole_money") == [1741, 950]


def test_a_column_written_in_two_ways_is_not_guessed() -> None:
    with pytest.raises(AmbiguousColumnError) as caught:
        numbers(["12,50", "12.50"])
    assert caught.value.is_mixed


def test_one_cell_written_the_other_way_is_a_bad_cell_not_a_bad_column() -> None:
    cells = [f"{number}.25" for number in range(50)] + ["12,5"]
    parsed, errors = parse_columns(pl.DataFrame({"x": cells}), {"x": "decimal"})
    assert not errors
    assert parsed["x"].is_bad.to_list() == [False] * 50 + [True]


def test_blanks_are_null_and_texts_are_bad() -> None:
    parsed, _ = parse_columns(
        pl.DataFrame({"x": ["-", "n/a", None, "abc", "(3.50)", "1.2.3"]}), {"x": "decimal"}
    )
    assert parsed["x"].values.to_list() == [None, None, None, None, -3.5, None]
    assert parsed["x"].is_bad.to_list() == [False, False, False, True, False, True]


def test_a_count_in_scientific_notation_or_with_a_fraction_is_bad() -> None:
    parsed, _ = parse_columns(pl.DataFrame({"x": ["1.2E+05", "12.5", "12.0", "7"]}), {"x": "count"})
    assert parsed["x"].is_bad.to_list() == [True, True, False, False]


@pytest.mark.parametrize(
    ("cells", "language", "expected"),
    [
        (["2025-12-31", "2025-12-01 00:00:00"], "en", ["2025-12-31", "2025-12-01"]),
        (["31/12/2025", "01/12/2025"], "en", ["2025-12-31", "2025-12-01"]),
        (["12/31/2025", "12/01/2025"], "pt", ["2025-12-31", "2025-12-01"]),
        (["31.12.2025"], "en", ["2025-12-31"]),
        (["01.02.2025"], "en", ["2025-02-01"]),
        (["01/02/2025"], "pt", ["2025-02-01"]),
        (["01/02/2025"], "es", ["2025-02-01"]),
        (["01/02/2025", "02/02/2025", "03/02/2025"], "en", ["2025-02-01", "2025-02-02", "2025-02-03"]),
        (["01/02/2025", "01/03/2025", "01/04/2025"], "en", ["2025-01-02", "2025-01-03", "2025-01-04"]),
        (["05/05/2025"], "en", ["2025-05-05"]),
        (["Nov 1, 2025", "1 de nov. de 2025", "1 nov 2025"], "en", ["2025-11-01"] * 3),
        (
            ["5 de março de 2025", "12-Sep-2025", "1 de diciembre de 2025"],
            "pt",
            ["2025-03-05", "2025-09-12", "2025-12-01"],
        ),
        (["45992", "45993.0"], "en", ["2025-12-01", "2025-12-02"]),
    ],
)
def test_days_are_read_however_they_were_written(
    cells: list[str], language: str, expected: list[str]
) -> None:
    read = parse_dates(pl.Series(cells), DateEvidence(language))
    assert read.to_list() == [dt.date.fromisoformat(day) for day in expected]


def test_a_day_that_may_be_two_days_is_not_guessed() -> None:
    with pytest.raises(AmbiguousDatesError):
        parse_dates(pl.Series(["01/02/2025"]))
    with pytest.raises(AmbiguousDatesError) as caught:
        parse_dates(pl.Series(["31/12/2025", "12/31/2025"]))
    assert caught.value.is_mixed


def test_the_period_of_the_report_decides_which_of_two_days_is_meant() -> None:
    february = DateEvidence(first=dt.date(2025, 2, 1), last=dt.date(2025, 2, 28))
    assert parse_dates(pl.Series(["01/02/2025"]), february).to_list() == [dt.date(2025, 2, 1)]
    by_march = DateEvidence(last=dt.date(2025, 3, 1))
    assert parse_dates(pl.Series(["01/12/2025"]), by_march).to_list() == [dt.date(2025, 1, 12)]


@settings(deadline=None)
@given(st.dates(dt.date(2010, 1, 1), dt.date(2030, 1, 1)), st.integers(13, 60))
def test_a_run_of_days_is_read_back_in_either_order(start: dt.date, count: int) -> None:
    run = [start + dt.timedelta(days=number) for number in range(count)]
    for pattern in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d"):
        assert parse_dates(pl.Series([day.strftime(pattern) for day in run])).to_list() == run


def test_a_file_whose_amounts_cannot_be_decided_is_refused_with_the_column(tmp_path: Path) -> None:
    rows = [
        row(amount_spent="1.741", frequency=None),
        row(day="2025-12-02", amount_spent="12", frequency=None),
    ]
    with pytest.raises(
        UnreadableExportError, match=r"'Amount spent \(BRL\)' cannot be read for certain: 1\.741"
    ):
        read_export(write(tmp_path / "export.csv", rows))


def test_a_file_whose_days_cannot_be_decided_is_refused_with_the_column(tmp_path: Path) -> None:
    rows = [row(day="01/02/2025", reporting_starts=None, reporting_ends=None)]
    with pytest.raises(
        UnreadableExportError, match=r"01/02/2025 in the column 'Day' may be either of two days"
    ):
        read_export(write(tmp_path / "export.csv", rows))


def test_a_file_saved_again_by_a_brazilian_spreadsheet_gives_the_same_figures(tmp_path: Path) -> None:
    original = days(20, amount_spent="1741.85", impressions="12100")
    saved = [
        {
            **line,
            "Day": "/".join(reversed(line["Day"].split("-"))),
            "Amount spent (BRL)": "R$ 1.741,85",
            "Impressions": "12.100",
            "Frequency": "1,111111",
        }
        for line in original
    ]
    now = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    first = read_export(write(tmp_path / "a.csv", original), known_at=now).delivery
    second = read_export(write(tmp_path / "b.csv", saved, ";", "cp1252"), known_at=now).delivery
    assert second.insights.equals(first.insights)


def test_an_unclear_frequency_is_left_out_with_a_warning(tmp_path: Path) -> None:
    rows = [
        row(amount_spent="12", frequency="1.741"),
        row(day="2025-12-02", amount_spent="13", frequency="1.125"),
    ]
    delivery = read_export(write(tmp_path / "export.csv", rows)).delivery
    assert delivery.insights["frequency"].null_count() == 2
    assert any("Frequency was left out" in warning for warning in delivery.warnings)
