"""What people say they did is kept, once, with who said it and through which token."""

import json
import time
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from ml_assets.api.app import PREFIX
from ml_assets.storage.keys import table_of
from ml_assets.storage.tables import MLAnomaly, MLIncident
from ml_assets.storage.tokens import create_token
from ml_assets_tests.api.made import CLOSED_INCIDENT, LAST_DAY, OPEN_INCIDENT, Api, id_of


def post(api: Api, path: str, **body: Any) -> requests.Response:
    return api.session.post(f"{api.url}{PREFIX}/{path}", json=body, timeout=30)


def done(api: Api, path: str, **body: Any) -> dict[str, Any]:
    answer = post(api, path, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(api: Api, path: str, status: int, **body: Any) -> str:
    answer = post(api, path, **body)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.json()["detail"]


def logged(engine: sa.Engine) -> list[tuple[str, str, dict[str, Any]]]:
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT actor, action, details FROM ml_audit_log ORDER BY at")
        ).all()
    return [
        (actor, action, json.loads(text) if isinstance(text, str) else text) for actor, action, text in rows
    ]


def active(api: Api) -> dict[str, Any]:
    """An issued recommendation that nobody has acted upon, of the newest day."""
    rows = api.items("recommendations", config_id=1, status="active")
    return next(row for row in rows if row["expires_at"] is not None)


def test_what_was_applied_stays_applied_and_is_logged_once(api: Api, filled: sa.Engine) -> None:
    row = active(api)
    first = done(api, f"recommendations/{row['id']}/apply", who=" Ana ", reason="agreed")
    assert (first["status"], first["applied_by"], first["changed"]) == ("applied", "Ana", True)
    assert first["applied_at"].endswith("Z")
    again = done(api, f"recommendations/{row['id']}/apply", who="Ben")
    assert (again["applied_by"], again["changed"]) == ("Ana", False)
    [(actor, action, details)] = logged(filled)
    assert (actor, action, details["token"], details["reason"]) == (
        "Ana",
        "recommendation.apply",
        "anonymous",
        "agreed",
    )
    shown = api.items("recommendations", config_id=1, status="applied")
    assert row["id"] in {each["id"] for each in shown}
    said = refusal(api, f"recommendations/{row['id']}/dismiss", 409, reason="too late")
    assert "cannot be dismissed any more" in said


def test_who_is_the_token_where_nobody_is_named(api: Api, filled: sa.Engine) -> None:
    row = active(api)
    with filled.begin() as connection:
        secret, _ = create_token(connection, "the bot", "write", None, None, "test")
    time.sleep(5.2)  # until the token is known
    api.session.headers["Authorization"] = f"Bearer {secret}"
    dismissed = done(api, f"recommendations/{row['id']}/dismiss", reason="not now")
    assert (dismissed["dismissed_by"], dismissed["dismissed_reason"]) == ("the bot", "not now")
    assert logged(filled)[-1][2].get("token") == "the bot"


def test_a_token_of_another_account_changes_nothing(api: Api, filled: sa.Engine) -> None:
    row = active(api)
    with filled.begin() as connection:
        secret, _ = create_token(connection, "other", "write", [2], None, "test")
    time.sleep(5.2)
    api.session.headers["Authorization"] = f"Bearer {secret}"
    refusal(api, f"recommendations/{row['id']}/apply", 403)
    refusal(api, f"incidents/{OPEN_INCIDENT}/acknowledge", 403, feedback="EXPECTED")
    refusal(
        api,
        "classifications/feedback",
        403,
        config_id=1,
        entity_id=id_of(1, "campaign", 0),
        correct_tier="LOW",
    )
    assert [action for _, action, _ in logged(filled)] == ["token.create"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("recommendations/ffffffff-0000/apply", {}, 404, "There is no recommendation"),
        ("recommendations/xyz!/apply", {}, 422, "path.id"),
        ("recommendations/ffffffff/dismiss", {}, 422, "body.reason"),
        ("recommendations/ffffffff/dismiss", {"reason": "  "}, 422, "body.reason"),
        ("recommendations/ffffffff/apply", {"who": "detected"}, 422, "not a person"),
        ("recommendations/ffffffff/apply", {"who": "a\x00b"}, 422, "NUL"),
        ("recommendations/ffffffff/apply", {"whom": "Ana"}, 422, "body.whom"),
        ("incidents/ffffffff/acknowledge", {}, 404, "There is no incident"),
        ("incidents/1f3a9c02/acknowledge", {"feedback": "MAYBE"}, 422, "body.feedback"),
        ("anomalies/ffffffff-0000/acknowledge", {}, 404, "There is no"),
    ],
)
def test_what_cannot_be_done_is_told_why(
    api: Api, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    assert said in refusal(api, path, status, **body)


def test_an_expired_recommendation_cannot_be_applied(api: Api) -> None:
    rows = api.items("recommendations", config_id=1, status="expired")
    assert "its time was over" in refusal(api, f"recommendations/{rows[0]['id']}/apply", 409)


def test_an_anomaly_is_acknowledged_with_its_incident(api: Api, filled: sa.Engine) -> None:
    row = next(row for row in api.items("anomalies", config_id=1) if row["incident_id"] == OPEN_INCIDENT)
    assert row["is_acknowledged"] is False
    state = done(api, f"anomalies/{row['id']}/acknowledge", who="Ana", feedback="EXPECTED", note="sale")
    assert state == {
        "incident_id": OPEN_INCIDENT,
        "config_id": 1,
        "feedback": "EXPECTED",
        "acknowledged_by": "Ana",
        "acknowledged_at": state["acknowledged_at"],
        "resolution_notes": "sale",
        "changed": True,
    }
    assert [action for _, action, _ in logged(filled)] == ["incident.acknowledge", "incident.feedback"]
    again = done(api, f"incidents/{OPEN_INCIDENT[:8]}/acknowledge", who="Ben", feedback="EXPECTED")
    assert (again["acknowledged_by"], again["changed"]) == ("Ana", False)
    shown = api.items("anomalies", config_id=1, incident=OPEN_INCIDENT)
    assert all(each["is_acknowledged"] for each in shown)
    assert api.items("anomalies", config_id=1, open="true") == []


def test_an_anomaly_of_no_incident_is_acknowledged_alone(api: Api, filled: sa.Engine) -> None:
    table = table_of(MLAnomaly)
    with filled.begin() as connection:
        connection.execute(sa.update(table).values(is_superseded=False))
        connection.execute(
            sa.update(table).where(table.c.incident_id == CLOSED_INCIDENT).values(incident_id=None)
        )
    rows = [row for row in api.items("anomalies", config_id=1, date=LAST_DAY) if row["incident_id"] is None]
    row = next(row for row in rows if len(row["id"]) == 36)
    state = done(api, f"anomalies/{row['id']}/acknowledge", who="Ana", note="seen")
    assert (state["incident_id"], state["acknowledged_by"], state["changed"]) == (None, "Ana", True)
    assert done(api, f"anomalies/{row['id']}/acknowledge", who="Ben")["changed"] is False
    assert [action for _, action, _ in logged(filled)] == ["anomaly.acknowledge"]
    seen = [each["id"] for each in api.items("anomalies", config_id=1) if each["is_acknowledged"]]
    assert seen == [row["id"]]
    with filled.connect() as connection:
        incidents = connection.execute(sa.select(table_of(MLIncident).c.acknowledged_at)).scalars().all()
    assert incidents == [None, None]


def test_feedback_on_a_tier_is_kept_once(api: Api, filled: sa.Engine) -> None:
    body = {"config_id": 1, "entity_id": id_of(1, "campaign", 0), "correct_tier": "LOW", "note": "seasonal"}
    assert done(api, "classifications/feedback", **body) == {"changed": True}
    assert done(api, "classifications/feedback", **body) == {"changed": False}
    assert done(api, "classifications/feedback", **{**body, "correct_tier": "MODERATE"}) == {"changed": True}
    assert done(api, "classifications/feedback", **body) == {"changed": True}
    with filled.connect() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT entity_type, correct_tier, given_by FROM ml_classification_feedback ORDER BY given_at"
            )
        )
        assert [tuple(row) for row in rows] == [
            ("campaign", tier, "anonymous") for tier in ("LOW", "MODERATE", "LOW")
        ]
    wrong_level = refusal(api, "classifications/feedback", 404, **{**body, "entity_type": "ad"})
    assert "It is a campaign" in wrong_level.replace("an campaign", "a campaign")
