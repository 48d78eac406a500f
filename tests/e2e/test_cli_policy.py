"""`lineage policy`: a file is checked before an alerter reads it."""

import json
from pathlib import Path

from tests.support.command import Lineage

DOCUMENTED = Path(__file__).parents[2] / "docs" / "policy.yaml"


def test_a_good_policy_is_fine_and_what_it_changes_is_told(lineage: Lineage) -> None:
    file = lineage.folder / "policy.yaml"
    file.write_text(
        "sources: ['crm://*']\nsilent_job: {factor: 4}\noverrides: [{match: [dev], stuck_run: {factor: 9}}]\n"
    )
    done = lineage.ok("policy", "check", "policy.yaml")
    assert done.out.splitlines() == [
        "policy.yaml: fine",
        "  silent_job.factor: 4.0",
        "  sources: 1 of them",
        "  overrides: 1 of them",
    ]
    assert lineage.having(LINEAGE_POLICY="policy.yaml").ok("policy", "check").out == done.out


def test_the_documented_policy_is_fine_and_changes_nothing(lineage: Lineage) -> None:
    record = lineage.ok("policy", "check", DOCUMENTED, "-o", "json").json
    assert (record["ok"], record["problems"], record["differs"]) == (True, [], {})


def test_a_bad_policy_is_refused_with_every_line(lineage: Lineage) -> None:
    (lineage.folder / "policy.yaml").write_text("silent_job:\n  factor: 0\noverrides:\n- stuck_run: {factor: 2}\n")
    done = lineage("policy", "check", "policy.yaml")
    assert done.code == 1
    assert [line.split(": ")[0] for line in done.out.splitlines()] == ["policy.yaml:2", "policy.yaml:4"]


def test_a_policy_that_is_not_there_is_a_wrong_argument(lineage: Lineage) -> None:
    nowhere = lineage("policy", "check", "nowhere.yaml")
    assert (nowhere.code, nowhere.err) == (
        2,
        "lineage: the policy nowhere.yaml cannot be read: No such file or directory\n",
    )
    assert lineage("policy", "check").code == 2


def test_the_schema_is_printed_for_editors(lineage: Lineage) -> None:
    assert json.loads(lineage.ok("policy", "schema").out)["$ref"] == "#/$defs/Policy"
