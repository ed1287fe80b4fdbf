"""`ml-assets notify`: the daily digest in the terminal, and whether the webhook takes what it is sent.

Nothing is kept here: notifications that wait to be sent are the work of Dagster's sensors.
"""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ml_assets.cli.console import note, say
from ml_assets.cli.database import open_database
from ml_assets.cli.options import Account, parse_date
from ml_assets.errors import UsageError

if TYPE_CHECKING:
    from ml_assets.notices.message import Notice


def notify(
    digest: Annotated[bool, typer.Option("--digest", help="Print the daily digest.")] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message, and say whether it arrived.")
    ] = False,
    date: Annotated[
        str | None, typer.Option(help="Day of the digest, like 2026-02-28; by default yesterday.")
    ] = None,
    account: Account = None,
    send: Annotated[bool, typer.Option("--send", help="Also send the digest to the webhook, once.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what the webhook is sent, as JSON, in place of the text.")
    ] = False,
) -> None:
    """Print the daily digest: what to do, what changed, open incidents, the month; or send a test message.

    Nothing is sent without --send or --test; ML_ASSETS_WEBHOOK_URL is the address.

    \b
    Examples:
      ml-assets notify --digest
      ml-assets notify --digest --date 2026-02-28 --account "Clinic" --send
      ml-assets notify --test
    """
    if digest == test:
        raise UsageError("Give --digest or --test.")
    if test and (date or account or send):
        raise UsageError("--date, --account and --send belong to --digest.")
    # what cannot be sent is said before anything is read
    url = _webhook_url() if test or send else ""
    notice = _test_notice() if test else _digest(date, account)
    if as_json:
        say(json.dumps(notice.payload, ensure_ascii=False, indent=2))
    elif digest:
        from ml_assets.notices.plain import plain_text

        say(plain_text(notice))
    if url:
        from ml_assets.webhook import post

        post(url, notice.payload)
        note("The test message has arrived." if test else "The digest has been sent.")


def _webhook_url() -> str:
    """The address in force. Raises UsageError where there is none."""
    from ml_assets.settings import settings

    if not settings().webhook_url:
        raise UsageError(
            "There is no address to send to: set ML_ASSETS_WEBHOOK_URL to that of an incoming webhook of "
            "Slack, or of what understands its messages."
        )
    return settings().webhook_url


def _test_notice() -> "Notice":
    from ml_assets.notices.languages import LANGUAGES
    from ml_assets.notices.message import Notice, NoticeKind
    from ml_assets.settings import settings
    from ml_assets.words.phrases import language_of

    words = language_of(settings().language, LANGUAGES)
    return Notice(key=NoticeKind.TEST.value, kind=NoticeKind.TEST, text=words.phrases["test"])


def _digest(date: str | None, account: str | None) -> "Notice":
    """The digest of the accounts that `account` names, else of all active ones."""
    import datetime as dt
    from zoneinfo import ZoneInfo

    from ml_assets.cli.forecast import read_chosen_accounts
    from ml_assets.report.digest import notice_of, read_digests
    from ml_assets.settings import settings

    today = dt.datetime.now(ZoneInfo(settings().timezone)).date()
    day = parse_date(date, "--date") if date else today - dt.timedelta(days=1)
    with open_database() as engine, engine.connect() as connection:
        digests = read_digests(connection, read_chosen_accounts(connection, account), day)
    return notice_of(digests, day, settings().language)
