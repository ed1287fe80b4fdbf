"""Any file that Ads Manager or a spreadsheet writes is read the same way."""

import datetime as dt
from pathlib import Path

import pytest

from ml_assets.errors import NothingLoadableError, UnreadableExportError
from ml_assets.sources.ads_manager import read_export
from ml_assets_tests.sources.ads_manager_files import (
    ADSET,
    CAMPAIGN,
    ROW,
    as_text,
    days,
    row,
    write,
    write_workbook,
)


@pytest.mark.parametrize(
    ("encoding", "separator"),
    [
        ("utf-8", ","),
        ("utf-8-sig", ","),
        ("utf-8-sig", ";"),
        ("utf-16", "\t"),
        ("utf-16-be", "\t"),
        ("utf-16-le", "\t"),
        ("cp1252", ";"),
    ],
)
def test_every_encoding_and_separator_gives_the_same_names_and_figures(
    tmp_path: Path, encoding: str, separator: str
) -> None:
    rows = days(2, campaign_name="Clínica; ação, verão")
    export = read_export(write(tmp_path / "export.csv", rows, separator, encoding))
    assert "Clínica; ação, verão" in export.delivery.entities["name"].to_list()
    assert export.delivery.insights["spend"].to_list() == [10.5, 10.5]


def test_utf_16_with_the_big_endian_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(b"\xfe\xff" + as_text(days(1), "\t").encode("utf-16-be"))
    assert read_export(path).delivery.insights.height == 1


def test_a_title_above_and_line_breaks_in_names_do_not_shift_the_line_of_a_rejected_row(
    tmp_path: Path,
) -> None:
    path = tmp_path / "export.csv"
    rows = [row(ad_name="two\nlines"), row(day="2025-12-02"), row(day="2025-12-03", amount_spent="-1")]
    path.write_text("My report\n" + as_text(rows), encoding="utf-8")
    # Title in line 1, headings in 2, the first row fills 3 and 4.
    assert read_export(path).delivery.rejected["line"].to_list() == [6]


def test_blank_lines_and_short_totals_do_not_shift_lines(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    heading, first, second = as_text([row(), row(day="2025-12-02", amount_spent="-3")]).splitlines()
    path.write_text(f"{heading}\n{first}\n\n{second}\n", encoding="utf-8")
    assert read_export(path).delivery.rejected["line"].to_list() == [4]


@pytest.mark.parametrize("name", ["export.xlsx", "export.csv"])
def test_a_workbook_is_read_by_its_content_whatever_its_ending(tmp_path: Path, name: str) -> None:
    headings = ["Dia", "Nome da campanha", "Identificação da campanha", "Valor usado (BRL)", "Impressões"]
    rows = [
        [None, None, None, 1754.35, 3000],
        [dt.date(2025, 12, 1), "Leads", CAMPAIGN, 1741.85, 1000],
        [dt.date(2025, 12, 2), "Leads", CAMPAIGN, 12.5, 2000],
    ]
    export = read_export(write_workbook(tmp_path / name, headings, rows))
    insights = export.delivery.insights
    assert insights["date"].to_list() == [dt.date(2025, 12, 1), dt.date(2025, 12, 2)]
    assert insights["spend"].to_list() == [1741.85, 12.5]
    assert insights["entity_id"].unique().to_list() == [CAMPAIGN]
    assert export.totals == 1


def test_numbers_of_a_workbook_are_never_ambiguous(tmp_path: Path) -> None:
    rows = [["2025-12-01", "Leads", 1.741, 1000], ["2025-12-02", "Leads", 2.125, 1000]]
    headings = ["Day", "Campaign name", "Amount spent (KWD)", "Impressions"]
    export = read_export(write_workbook(tmp_path / "export.xlsx", headings, rows))
    assert export.delivery.insights["spend"].to_list() == [1.741, 2.125]


def test_ids_kept_as_numbers_in_a_workbook_are_refused(tmp_path: Path) -> None:
    rows = [["2025-12-01", "Leads", float(CAMPAIGN), 10.5]]
    headings = ["Day", "Campaign name", "Campaign ID", "Amount spent (BRL)"]
    path = write_workbook(tmp_path / "export.xlsx", headings, rows)
    with pytest.raises(UnreadableExportError, match=r"rounded the ids to 15 digits.*as Text"):
        read_export(path)


def test_ids_turned_into_scientific_notation_are_refused(tmp_path: Path) -> None:
    for mangled in ("1.2021E+17", "1,2021E+17", "1.2E+17"):
        path = write(tmp_path / "export.csv", days(2, campaign_id=mangled), ";")
        with pytest.raises(UnreadableExportError, match=r"'Campaign ID' were turned into numbers.*XLSX"):
            read_export(path)


def test_ids_rounded_to_fifteen_digits_in_a_csv_are_refused(tmp_path: Path) -> None:
    rounded = {
        "campaign_id": "120210000000111000",
        "ad_set_id": "120210000000222000",
        "ad_id": "120210000000333000",
    }
    with pytest.raises(UnreadableExportError, match="rounded the ids"):
        read_export(write(tmp_path / "export.csv", days(2, **rounded)))


def test_one_true_id_that_ends_in_zeros_is_no_reason_to_refuse(tmp_path: Path) -> None:
    export = read_export(write(tmp_path / "export.csv", days(2, campaign_id="120210000000111000")))
    assert "120210000000111000" in export.delivery.entities["entity_id"].to_list()


def test_marks_that_keep_spreadsheets_off_ids_are_removed(tmp_path: Path) -> None:
    export = read_export(
        write(tmp_path / "export.csv", days(1, campaign_id=f'="{CAMPAIGN}"', ad_set_id=f"'{ADSET}"))
    )
    assert {CAMPAIGN, ADSET} <= set(export.delivery.entities["entity_id"].to_list())
    assert export.account.account_id == "1234567890"


def test_an_empty_file_and_one_with_headings_only_say_what_to_do(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"\xef\xbb\xbf\r\n")
    with pytest.raises(UnreadableExportError, match=r"is empty.*Breakdown > By time > Day"):
        read_export(empty)
    only = tmp_path / "headings.csv"
    only.write_text(as_text([row()]).splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(UnreadableExportError, match="headings but no rows"):
        read_export(only)
    book = write_workbook(tmp_path / "headings.xlsx", list(ROW), [])
    with pytest.raises(UnreadableExportError, match="headings but no rows"):
        read_export(book)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableExportError, match=r"gone\.csv cannot be opened"):
        read_export(tmp_path / "gone.csv")


def test_a_file_without_known_headings_names_those_found_and_those_needed(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("Customer;City\nAna;Recife\n", encoding="utf-8")
    with pytest.raises(
        UnreadableExportError, match=r"Found: 'Customer;City'.*Needed: a day .*Amount spent \(XXX\)"
    ):
        read_export(path)


def test_a_missing_column_is_named_with_those_found(tmp_path: Path) -> None:
    path = write(tmp_path / "export.csv", days(1, amount_spent=None))
    with pytest.raises(
        UnreadableExportError, match=r"missing columns: Amount spent \(XXX\)\. Found: 'Reporting"
    ):
        read_export(path)


def test_a_broken_workbook_and_a_web_page_are_refused(tmp_path: Path) -> None:
    book = tmp_path / "export.xlsx"
    book.write_bytes(b"PK\x03\x04" + b"no zip at all" * 20)
    with pytest.raises(UnreadableExportError, match="not a workbook that can be read"):
        read_export(book)
    old = tmp_path / "export.xls"
    old.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600)
    with pytest.raises(UnreadableExportError, match="old format"):
        read_export(old)
    page = tmp_path / "page.xls"
    page.write_text("<html><table><tr><td>Day</td></tr></table></html>", encoding="utf-8")
    with pytest.raises(UnreadableExportError, match="web page"):
        read_export(page)


def test_a_file_with_nothing_loadable_gives_reasons_and_counts(tmp_path: Path) -> None:
    rows = [*days(2, amount_spent="-1"), row(day="2025-12-03", impressions="3")]
    with pytest.raises(
        NothingLoadableError, match=r"all 3 were set aside: 2 x spend is negative.*1 x link_clicks"
    ):
        read_export(write(tmp_path / "export.csv", rows))
