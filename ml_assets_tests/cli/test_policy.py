import json
import tomllib
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given

from ml_assets.cli.policy import load_policy_file, markdown_table, parse_thresholds
from ml_assets.cli.policy_files import policy_text
from ml_assets.errors import UsageError
from ml_assets.recommendations.policy import Policy, thresholds
from ml_assets_tests.cli.conftest import Cli
from ml_assets_tests.recommendations.policies_made import overrides_made

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def line_of(text: str, name: str) -> list[str]:
    """The words of the line that begins with `name`."""
    return next(line.split() for line in text.splitlines() if line.startswith(f"{name} "))


# ---------------------------------------------------------------------------------------- commands


def test_a_threshold_is_set_shown_and_taken_back(cli: Cli) -> None:
    cli("accounts", "add", "42", "--name", "Clinic")
    common = cli("policy", "set", "pause=0.97", "edit_hours=96", "--by", "ana")
    assert common.out == ("All accounts: pause = 0.97, edit_hours = 96. In force: policy 1+all:1.\n")
    own = cli("policy", "set", "pause=0.98", "--account", "clinic", "--by", "bia")
    assert own.out == "Account 1 (Clinic): pause = 0.98. In force: policy 1+all:1+account:1.\n"

    shown = cli("policy", "show", "--account", "42", "--changed").out
    assert line_of(shown, "pause")[:4] == ["pause", "0.98", "**", "0.95"]
    assert line_of(shown, "edit_hours")[:4] == ["edit_hours", "96", "*", "72"]
    assert "** set for account 1, version 1" in shown
    assert "winner" not in shown

    assert cli("policy", "reset", "pause", "--account", "1").out == (
        "Account 1 (Clinic): pause taken back. In force: policy 1+all:1.\n"
    )
    assert cli("policy", "reset").exit_code == 0
    assert "No threshold is overridden" in cli("policy", "show", "--account", "1", "--changed").out

    history = cli("policy", "history").out.splitlines()
    assert [line.split()[:2] for line in history[1:]] == [["all", "1"], ["all", "2"], ["1", "1"], ["1", "2"]]
    assert "ana" in history[1]
    assert "pause not set -> 0.97, edit_hours not set -> 96" in history[1]
    assert "pause 0.98 -> not set" in history[4]


def test_every_threshold_is_shown_with_its_unit_and_source(sqlite_cli: Cli) -> None:
    sqlite_cli("accounts", "add", "42")
    sqlite_cli("policy", "set", "case_days=5", "--account", "1")
    shown = sqlite_cli("policy", "show").out
    for item in thresholds():
        assert line_of(shown, item.name)[1:3] == [f"{item.default:g}", f"{item.default:g}"]
    assert "Accounts with thresholds of their own: 1" in shown
    assert max(len(line) for line in shown.splitlines()) <= 100


def test_history_of_an_account_leaves_the_other_accounts_out(sqlite_cli: Cli) -> None:
    assert "ever overridden" in sqlite_cli("policy", "history").out
    for account in ("41", "42"):
        sqlite_cli("accounts", "add", account)
        sqlite_cli("policy", "set", "case_days=5", "--account", account)
    assert [
        line.split()[0] for line in sqlite_cli("policy", "history", "--account", "42").out.splitlines()
    ] == [
        "of",
        "2",
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("set",), "Nothing to change"),
        (("set", "pause"), "'pause' is not NAME=VALUE"),
        (("set", "=0.9"), "not NAME=VALUE"),
        (("set", "pause=0,97"), "write it like 0.97"),
        (("set", "pause="), "not a number"),
        (("set", "pause=0.9", "pause=0.8"), "given twice"),
        (("set", "pause=nan"), "from 0 to 1"),
        (("set", "pauze=0.9"), "Did you mean pause?"),
        (("set", "pause=0.9", "--account", "7"), "There is no account '7'"),
        (("set", "pause=0.9", "--by", " "), "who"),
        (("set", "--file", "missing.toml"), "missing.toml cannot be read: No such file"),
        (("reset", "pause"), "nothing to take back"),
        (("reset", "pauze"), "Did you mean pause?"),
        (("show", "--account", "7"), "There is no account '7'"),
        (("export", "policy.txt"), ".json or .toml"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_and_nothing_changes(
    sqlite_cli: Cli, arguments: tuple[str, ...], complaint: str
) -> None:
    refused = sqlite_cli("policy", *arguments)
    assert refused.exit_code == 2
    assert complaint in refused.err
    assert refused.err.count("\n") == 1
    assert "ever overridden" in sqlite_cli("policy", "history").out


def test_a_wrong_threshold_in_the_database_is_a_sentence_and_can_be_repaired(
    sqlite_cli: Cli, sqlite_url: str
) -> None:
    sqlite_cli("accounts", "add", "42")
    engine = sa.create_engine(sqlite_url)
    with engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO ml_policies (id, config_id, version, thresholds) VALUES ('x', 1, 'a', :t)"),
            {"t": '{"pause": 95, "maturity": 0.7}'},
        )
    engine.dispose()
    refused = sqlite_cli("policy", "show", "--account", "1")
    assert refused.exit_code == 2
    assert "stored for account 1 (version a)" in refused.err
    assert "`ml-assets policy set NAME=VALUE --account 1`" in refused.err
    assert sqlite_cli("policy", "show").exit_code == 0
    assert "pause not set -> 95" in sqlite_cli("policy", "history").out
    assert sqlite_cli("policy", "set", "pause=0.95", "--account", "1").exit_code == 0
    assert line_of(sqlite_cli("policy", "show", "--account", "1").out, "maturity")[1] == "0.7"


# ---------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("name", ["policy.toml", "policy.json"])
def test_an_exported_policy_is_read_and_set_again(sqlite_cli: Cli, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    sqlite_cli("policy", "set", "pause=0.97", "case_days=5")
    assert sqlite_cli("policy", "export", file).exit_code == 0
    assert load_policy_file(file) == Policy().changed({"pause": 0.97, "case_days": 5}, f"1+file:{name}")
    assert "in force already" in sqlite_cli("policy", "set", "--file", file).out

    sqlite_cli("policy", "reset")
    set_again = sqlite_cli("policy", "set", "--file", file, "pause=0.98").out
    assert sorted(set_again.removeprefix("All accounts: ").partition(". In force")[0].split(", ")) == [
        "case_days = 5",
        "pause = 0.98",
    ]


def test_an_export_of_changes_names_them_alone_and_replaces_no_file_unasked(
    sqlite_cli: Cli, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    sqlite_cli("policy", "set", "pause=0.97")
    sqlite_cli("policy", "export", file, "--changed")
    assert tomllib.loads(file.read_text()) == {"thresholds": {"pause": 0.97}}
    refused = sqlite_cli("policy", "export", file)
    assert refused.exit_code == 2
    assert "--force" in refused.err
    assert sqlite_cli("policy", "export", file, "--force").exit_code == 0
    assert len(tomllib.loads(file.read_text())["thresholds"]) == len(thresholds())


@given(overrides=overrides_made())
def test_any_policy_survives_being_written_and_read(overrides: dict[str, float]) -> None:
    policy = Policy().changed(overrides, "2")
    for kind, read in ((".json", json.loads), (".toml", tomllib.loads)):
        assert Policy().changed(read(policy_text(policy, kind))["thresholds"], "2") == policy
        assert read(policy_text(policy, kind, set(overrides)))["thresholds"] == overrides


def test_what_a_file_does_not_name_keeps_its_default(tmp_path: Path) -> None:
    file = tmp_path / "careful.toml"
    file.write_text("\ufeff[thresholds]\npause = 1\n", encoding="utf-8")
    assert load_policy_file(file) == Policy().changed({"pause": 1}, "1+file:careful.toml")
    file.write_text("[thresholds]\n")
    assert load_policy_file(file) == Policy()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("p.json", "{thresholds", "is not JSON: Expecting property name .* line 1"),
        ("p.toml", "[thresholds]\npause = 0,9", r"is not TOML: .*line 2"),
        ("p.toml", "[thresholds]\npause = 1\npause = 0.9", "is not TOML"),
        ("p.json", b"\xff\xfe\x00", "is not JSON"),
        ("p.json", "[]", "has no thresholds; write them as"),
        ("p.json", '{"threshold": {"pause": 0.9}}', "has no thresholds"),
        ("p.toml", "pause = 0.9", r"has no thresholds; write them below a line \[thresholds\]"),
        ("p.json", '{"thresholds": [0.9]}', "has no thresholds"),
        ("p.toml", "winner = 0.9\n[thresholds]\npause = 0.9", "has winner beside its thresholds"),
        ("p.json", '{"thresholds": {"pause": 0.9, "pause": 0.8}}', "gives pause twice"),
        ("p.json", '{"thresholds": {"pauze": 0.9}}', r"p\.json cannot be used: .*Did you mean pause"),
        ("p.json", '{"thresholds": {"pause": NaN}}', "from 0 to 1"),
        ("p.toml", "[thresholds]\npause = '0.9'", "not '0.9'"),
        ("p.toml", "[thresholds]\npause_cpl = 1.1", "must not be above"),
        ("p.yaml", "thresholds:\n  pause: 0.9", "ends in .json or .toml"),
    ],
)
def test_a_file_that_is_no_policy_is_refused_with_what_is_wrong(
    tmp_path: Path, name: str, content: str | bytes, complaint: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=complaint):
        load_policy_file(file)


def test_spaces_around_name_and_value_do_not_matter() -> None:
    assert parse_thresholds([" pause = 0.9 ", "case_days=5"]) == {"pause": 0.9, "case_days": 5.0}


# ---------------------------------------------------------------------------------------- document


def test_the_document_has_every_threshold_as_it_is_declared(sqlite_cli: Cli) -> None:
    document = (CHECKOUT / "docs" / "policy.md").read_text(encoding="utf-8")
    assert markdown_table() in document, (
        "docs/policy.md: take the table of `ml-assets policy show --markdown`"
    )
    assert sqlite_cli("policy", "show", "--markdown").out == markdown_table() + "\n"
