import datetime as dt

import pytest

from ml_assets_tests.cli.conftest import Cli


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--from", "2026-03-05", "--to", "2026-03-01"), "--from 2026-03-05 is later than --to 2026-03-01"),
        (("--from", "05/03/2026", "--to", "2026-03-06"), "--from is a day like 2026-02-28, not '05/03/2026'"),
        (("--from", "2026-03-01", "--to", "2026-02-30"), "--to is a day like"),
        (("--from", "2026-03-01", "--to", "2026-03-01", "--level", "keyword"), "not 'keyword'"),
        (("--from", "2026-03-01", "--to", "2026-03-01", "--assets", "forecasts,magic"), "magic"),
        (("--from", "2001-01-01", "--to", "2001-01-02"), "ML_ASSETS_START_DATE"),
        (("--from", "2026-03-01", "--to", "2199-01-01"), "2199-01-01"),
    ],
)
def test_a_range_that_cannot_be_run_is_refused_with_its_reason(
    sqlite_cli: Cli, arguments: tuple[str, ...], complaint: str
) -> None:
    refused = sqlite_cli("run", *arguments)
    assert refused.exit_code == 2
    assert complaint in refused.err
    assert "Traceback" not in refused.err


def test_a_day_that_is_not_over_is_not_judged(sqlite_cli: Cli) -> None:
    sqlite_cli("accounts", "add", "42", "--timezone", "UTC")
    today = dt.datetime.now(dt.UTC).date().isoformat()
    refused = sqlite_cli("run", "--from", today, "--to", today)
    assert refused.exit_code in {5, 6}
    assert "not over yet" in refused.err
