import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ml_assets.anomalies.words import describe_incidents
from ml_assets.sources.protocol import AccountInfo
from ml_assets.storage.accounts import add_account
from ml_assets.storage.engine import create_engine
from ml_assets.storage.incidents import read_incident
from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import MLAuditLog
from ml_assets_tests.anomalies.incidents_made import CURRENCIES, NAMES, TODAY, anomaly, incident, incidents
from ml_assets_tests.cli.conftest import Cli
from ml_assets_tests.storage.incidents_stored import put_anomalies, put_incidents

SPIKE = incident("CPM_SPIKE", alert_rank=2)
STOPPED = incident("ZERO_SPEND", "campaign", severity="CRITICAL")
ID = SPIKE["incident_id"]


class Database:
    """Incidents of account 1."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        with engine.begin() as connection:
            add_account(connection, AccountInfo("123", "Clinic [BR]", "BRL", "America/Sao_Paulo", ("lead",)))

    def put(self, *rows: dict[str, Any]) -> None:
        texts = describe_incidents(incidents(*rows), NAMES, CURRENCIES, "en")["description"]
        with self.engine.begin() as connection:
            put_incidents(
                connection, *({**row, "description": text} for row, text in zip(rows, texts, strict=True))
            )
            put_anomalies(
                connection,
                anomaly("CPM_SPIKE", incident_id=ID, is_root_cause=True, contribution=1.0),
                anomaly("CPM_SPIKE", "ad", incident_id=ID, contribution=0.55),
            )

    def row(self) -> dict[str, Any]:
        with self.engine.connect() as connection:
            return read_incident(connection, ID)

    def actions(self) -> list[str]:
        with self.engine.connect() as connection:
            log = table_of(MLAuditLog)
            return list(connection.execute(sa.select(log.c.action).order_by(log.c.at)).scalars())


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    engine = create_engine(database_url)
    yield Database(engine)
    engine.dispose()


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    engine = create_engine(sqlite_url)
    yield Database(engine)
    engine.dispose()


# ------------------------------------------------------------------------------------------ list


def test_open_incidents_are_listed_most_pressing_first(cli: Cli, database: Database) -> None:
    database.put(SPIKE, STOPPED, incident("CVR_DROP", status="closed"), incident("CPM_DROP", alert_rank=None))
    listed = cli("incidents", "list").out
    assert listed.splitlines()[0] == "Clinic [BR]: incidents, open, as of 2026-06-07"
    assert listed.splitlines()[1].startswith("critical  Campaign 'Leads (cold)' has spent nothing since")
    assert listed.index("Campaign 'Leads") < listed.index(
        "CPM of ad set 'Lookalike 2 %' in 'Leads (cold)' has doubled"
    )
    assert ID[:8] in listed
    assert "Lead rate" not in listed
    assert "halved" not in listed
    assert "CPM of ad set 'Lookalike 2 %' in 'Leads (cold)' has halved" in " ".join(
        cli("incidents", "list", "--all").out.split()
    )
    assert "Lead rate" in cli("incidents", "list", "--status", "closed").out


def test_the_list_is_narrowed_by_level_and_kind(sqlite_cli: Cli, sqlite_database: Database) -> None:
    sqlite_database.put(SPIKE, STOPPED, incident("CTR_DROP", "account"))
    kinds = {
        row["kind"]: row
        for row in json.loads(sqlite_cli("incidents", "list", "--json", "--level", "adset").out)
    }
    assert set(kinds) == {"CPM_SPIKE"}
    assert kinds["CPM_SPIKE"]["attribution"]["metric"] == "cpm"
    assert kinds["CPM_SPIKE"]["evaluated_date"] == TODAY.isoformat()
    assert "whole account" in sqlite_cli("incidents", "list", "--kind", "ctr-drop").out
    refused = sqlite_cli("incidents", "list", "--kind", "boredom")
    assert refused.exit_code == 2
    assert "--kind is one of SPEND_SPIKE" in refused.err


def test_a_calm_account_says_so_and_where_else_to_look(sqlite_cli: Cli, sqlite_database: Database) -> None:
    sqlite_database.put(incident("CPM_DROP", alert_rank=None))
    outcome = sqlite_cli("incidents", "list")
    assert (outcome.exit_code, outcome.out) == (0, "")
    assert "Clinic [BR]: no incident is open. `--all` looks below the fold, too." in outcome.err


# ------------------------------------------------------------------------------------------ show


def test_one_incident_shows_where_it_comes_from(
    sqlite_cli: Cli, sqlite_database: Database, tmp_path: Path
) -> None:
    metrics = {"spend": 0.0, "cpm": 0.6931, "ctr": -0.0513, "cvr": None, "cpl": 0.7}
    sqlite_database.put(
        incident("CPM_SPIKE", document={"metrics": metrics, "rate_mix": {"rate": 0.9, "mix": 0.1}}), STOPPED
    )
    picture = tmp_path / "incident.png"
    shown = sqlite_cli("incidents", "show", ID[:8], "--png", picture)
    text = " ".join(shown.out.split())
    assert "CPM of ad set 'Lookalike 2 %' in 'Leads (cold)' has doubled since Jun 3" in text
    assert "of the change 55 % ad 140001" in text
    assert "against expected CPM +100 %, click-through rate -5 %, cost per lead +101 %, spend +0 %" in text
    assert "90 % from changes inside its parts, 10 % from delivery moving between them" in text
    assert "at stake that day 57.50, 2 leads" in text
    assert "adset 130001 (root) CPM 50.80 25.40 100 %" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    document = json.loads(sqlite_cli("incidents", "show", ID, "--json").out)
    assert [row["entity_type"] for row in document["anomalies"]] == ["adset", "ad"]


# ---------------------------------------------------------------------------------------- actions


def test_an_incident_is_acknowledged_and_answered_and_the_log_says_by_whom(
    cli: Cli, database: Database
) -> None:
    database.put(SPIKE)
    seen = cli("incidents", "acknowledge", ID[:8], "--by", "ana", "--notes", "asked the agency")
    assert seen.out.startswith(f"{ID[:8]} acknowledged by ana: asked the agency. CPM of ad set")
    assert database.row()["acknowledged_by"] == "ana"
    said = cli("incidents", "feedback", ID[:8], "false-alarm", "--by", "rui")
    assert said.out.startswith(f"{ID[:8]} called false alarm")
    assert database.row()["feedback"] == "FALSE_ALARM"
    assert len(database.actions()) == 2
    assert cli("incidents", "list").out == ""


def test_who_does_it_is_the_user_of_the_machine_unless_said(
    sqlite_cli: Cli, sqlite_database: Database
) -> None:
    sqlite_database.put(SPIKE)
    sqlite_cli("incidents", "acknowledge", ID)
    assert sqlite_database.row()["acknowledged_by"] == getpass.getuser()


def test_an_answer_that_is_none_is_refused_with_those_there_are(
    sqlite_cli: Cli, sqlite_database: Database
) -> None:
    sqlite_database.put(SPIKE)
    refused = sqlite_cli("incidents", "feedback", ID, "maybe")
    assert refused.exit_code == 2
    assert "ANSWER is one of CONFIRMED, EXPECTED, FALSE_ALARM, NEW_NORMAL, not MAYBE" in refused.err
    assert sqlite_cli("incidents", "acknowledge", "ffff").exit_code == 2
    assert sqlite_database.actions() == []
