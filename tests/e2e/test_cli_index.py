"""Files in, answers out: on the embedded Valkey, one process a command."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.command import COMMAND, Lineage, environment
from tests.support.events import event, run_id, schema, table

SAMPLES = Path(__file__).parents[1] / "samples"
PIPELINE = SAMPLES / "pipeline.ndjson"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Lineage:
    """An index that the tests only read."""
    lineage = Lineage(tmp_path_factory.mktemp("loaded"), {})
    lineage.ok("load", "--strict", PIPELINE)
    return lineage


def test_export_holds_exactly_the_edges_that_the_events_state(loaded: Lineage) -> None:
    assert loaded.ok("export", "edges", "-o", "ndjson").out == (SAMPLES / "pipeline_edges.ndjson").read_text()


def test_loading_again_and_in_another_order_changes_nothing(loaded: Lineage) -> None:
    before = loaded.ok("digest").out
    backwards = b"\n".join(reversed(PIPELINE.read_bytes().splitlines()))
    loaded.ok("load", "--strict", "-", stdin=backwards)
    assert loaded.ok("digest").out == before


def test_down_walks_over_aliases_to_the_last_reader(loaded: Lineage) -> None:
    graph = loaded.ok("down", "raw/orders", "-o", "json")
    assert graph.json["start"] == {"kind": "dataset", "namespace": "gs://lake", "name": "raw/orders"}
    reached = {(node["kind"], node["name"]): node["depth"] for node in graph.json["nodes"]}
    assert reached == {
        ("dataset", "raw/orders"): 0,
        ("dataset", "raw.orders"): 0,
        ("job", "marts.revenue.run"): 1,
        ("dataset", "marts.revenue"): 1,
        ("dataset", "marts.sales"): 1,
        ("job", "revenue_report"): 2,
    }


def test_up_from_a_column_names_each_column_it_is_made_from(loaded: Lineage) -> None:
    graph = loaded.ok("up", "column:bigquery:marts.revenue:revenue", "-o", "ndjson")
    assert [(node["name"], node["field"], node["depth"]) for node in graph.lines] == [
        ("marts.revenue", "revenue", 0),
        ("raw.orders", "amount", 1),
        ("shop.public.orders", "state", 2),
        ("shop.public.orders", "total", 2),
    ]


def test_path_names_the_jobs_and_the_columns_on_the_way(loaded: Lineage) -> None:
    found = loaded.ok("path", "shop.public.orders", "marts.revenue", "-o", "json").json
    assert [node["name"] for node in found["nodes"] if node["kind"] == "job"] == [
        "daily.load_orders",
        "marts.revenue.run",
    ]
    assert [(each["from"]["field"], each["to"]["field"]) for each in found["columns"]] == [
        ("total", "amount"),
        ("id", "order_id"),
        ("amount", "revenue"),
    ]


def test_where_no_data_flows_the_way_back_is_named(loaded: Lineage) -> None:
    refused = loaded("path", "marts.revenue", "shop.public.orders")
    assert refused.code == 1
    assert "the other way round it does: lineage path shop.public.orders marts.revenue" in refused.err


def test_the_index_is_asked_as_it_was(loaded: Lineage) -> None:
    then = loaded.ok("down", "raw.orders", "--at", "2026-03-02T07:30:00Z", "-o", "ndjson")
    assert {node["name"] for node in then.lines} == {"raw.orders", "marts.revenue.run", "marts.revenue"}
    assert "no time" in loaded("down", "raw.orders", "--at", "yesterday").err
    before = loaded("down", "raw.orders", "--at", "2026-03-01T00:00:00Z")
    assert (before.code, "raw.orders was not known at that time; it was first seen" in before.err) == (1, True)


def test_an_empty_index_is_said_to_be(lineage: Lineage) -> None:
    for asked in (("down", "orders"), ("search", "orders")):
        done = lineage(*asked)
        assert (done.code, "the index is empty: fill it" in " ".join(done.err.split())) == (1, True)


def test_diff_tells_what_came_between_two_times(loaded: Lineage) -> None:
    found = loaded.ok("diff", "--from", "2026-03-02T06:30:00Z", "--to", "2026-03-02T07:30:00Z", "-o", "json").json
    assert [node["name"] for node in found["nodes_came"]] == ["marts.revenue", "marts.revenue.run"]
    assert [(edge["type"], edge["to"]["name"]) for edge in found["edges_came"]] == [
        ("derives", "marts.revenue"),
        ("reads", "marts.revenue.run"),
        ("writes", "marts.revenue"),
    ]
    shown = loaded.ok("diff", "raw.orders", "--from", "2026-03-02T06:30:00Z").out
    assert "marts.revenue.run" in shown
    assert "revenue_report" not in shown
    until_now = loaded.ok("diff", "raw.orders", "--from", "2026-03-02T06:30:00Z", "--to", "now", "-o", "ndjson").lines
    assert {each["difference"] for each in until_now} == {"edges_came"}


def test_diff_wants_times_in_order(loaded: Lineage) -> None:
    refused = loaded("diff", "--from", "1h", "--to", "2h")
    assert (refused.code, "is not before" in refused.err) == (2, True)


def test_depth_limits_the_walk(loaded: Lineage) -> None:
    shallow = loaded.ok("up", "marts.revenue.revenue", "--depth", "1", "-o", "ndjson")
    assert [node["field"] for node in shallow.lines] == ["revenue", "amount"]


def test_columns_of_a_dataset_are_walked_when_asked_for(loaded: Lineage) -> None:
    graph = loaded.ok("down", "shop.public.orders", "--columns", "-o", "json").json
    assert {(edge["from"]["field"], edge["to"]["field"], edge["direct"]) for edge in graph["edges"]} == {
        ("id", "order_id", True),
        ("total", "amount", True),
        ("state", "order_id", False),
        ("state", "amount", False),
        ("amount", "revenue", True),
    }


def test_a_person_gets_a_tree(loaded: Lineage) -> None:
    tree = loaded.ok("down", "shop.public.orders").out.splitlines()
    assert tree[0].startswith("shop.public.orders")
    assert [line.split("── ")[1].split("  ")[0] for line in tree[1:]] == [
        "daily.load_orders",
        "raw.orders",
        "raw/orders",
        "marts.revenue.run",
        "marts.revenue",
        "marts.sales",
        "revenue_report",
    ]


def test_graphs_come_as_dot_and_mermaid(loaded: Lineage) -> None:
    assert loaded.ok("up", "marts.revenue", "-o", "dot").out.startswith("digraph lineage {")
    assert loaded.ok("up", "marts.revenue", "-o", "mermaid").out.startswith("flowchart LR")


def test_show_tells_columns_writers_readers_and_schemas(loaded: Lineage) -> None:
    shown = loaded.ok("show", "raw.orders", "-o", "json").json
    assert shown["columns"] == [{"path": "order_id", "type": "INT64"}, {"path": "amount", "type": "NUMERIC"}]
    assert shown["written_by"] == [{"kind": "job", "namespace": "etl", "name": "daily.load_orders"}]
    assert shown["read_by"] == [{"kind": "job", "namespace": "dbt", "name": "marts.revenue.run"}]
    assert shown["aliases"] == [{"kind": "dataset", "namespace": "gs://lake", "name": "raw/orders"}]
    assert [len(each["versions"]) for each in shown["schemas"]] == [1]
    assert "raw/orders" in loaded.ok("show", "raw.orders").out


def test_show_tells_the_runs_of_a_job_and_the_neighbors_of_a_column(loaded: Lineage) -> None:
    job = loaded.ok("show", "job:etl:daily.load_orders", "-o", "json").json
    assert [(run["state"], run["started"], run["ended"]) for run in job["runs"]] == [
        ("COMPLETE", "2026-03-02T06:00:00.000000Z", "2026-03-02T06:05:00.000000Z")
    ]
    assert job["parents"] == [{"kind": "job", "namespace": "etl", "name": "daily"}]
    column = loaded.ok("show", "raw.orders.amount", "-o", "json").json
    assert column["type"] == "NUMERIC"
    assert [edge["to"]["field"] for edge in column["derived_by"]] == ["revenue"]


def test_export_nodes_gives_datasets_with_their_columns_before_jobs(loaded: Lineage) -> None:
    nodes = loaded.ok("export", "nodes").lines
    assert [(node["kind"], node["name"]) for node in nodes] == [
        ("dataset", "marts.revenue"),
        ("dataset", "marts.sales"),
        ("dataset", "raw.orders"),
        ("dataset", "raw/orders"),
        ("dataset", "shop.public.orders"),
        ("job", "revenue_report"),
        ("job", "marts.revenue.run"),
        ("job", "daily"),
        ("job", "daily.load_orders"),
    ]
    assert nodes[0]["columns"] == [{"path": "revenue", "type": "NUMERIC"}]
    assert loaded.ok("export", "nodes", "-o", "json").json == nodes


def test_what_is_not_there_is_exit_1_and_names_what_is_near(loaded: Lineage) -> None:
    done = loaded("show", "marts.revenu")
    assert (done.code, done.out) == (1, "")
    assert "dataset:bigquery:marts.revenue" in done.err


def test_what_is_near_is_a_column_or_a_job_where_one_was_meant(loaded: Lineage) -> None:
    assert "near it: column:bigquery:raw.orders:amount" in " ".join(loaded("down", "raw.orders.amont").err.split())
    told = loaded("show", "job:dbt:marts.revenu.run").err
    assert ("job:dbt:marts.revenue.run" in told, "dataset:" in told) == (True, False)
    told = loaded("search", "marts.revenu.ran", "--kind", "job").err
    assert ("job:dbt:marts.revenue.run" in told, "dataset:" in told) == (True, False)


def test_a_long_unknown_name_is_told_in_short(loaded: Lineage) -> None:
    done = loaded("show", f"dataset:{'x' * 10_000}")
    assert (done.code, "xxx…" in done.err, len(done.err) < 400) == (1, True, True)


def test_what_nothing_is_near_to_says_how_to_look_for_it(loaded: Lineage) -> None:
    done = loaded("show", "wholly_else_12345")
    assert (done.code, done.out) == (1, "")
    assert "lineage search" in done.err
    assert "lineage alerts --all" in loaded("alerts", "show", "ffff").err


def test_what_may_be_several_is_exit_2_and_names_them(loaded: Lineage) -> None:
    done = loaded("show", "orders")
    assert done.code == 2
    assert "dataset:bigquery:raw.orders" in done.err
    assert "dataset:postgres://db.example.com:5432:shop.public.orders" in done.err


@pytest.mark.parametrize(
    "arguments", [["export", "edges"], ["export", "nodes", "-o", "table"], ["digest"], ["show", "raw.orders"]]
)
@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written_is_one_line(loaded: Lineage, arguments: list[str], redirected: str) -> None:
    done = subprocess.run(  # noqa: S602  a shell is what closes an output
        f"exec {shlex.join([*COMMAND, *arguments])} {redirected}",
        shell=True,
        cwd=loaded.folder,
        env=environment(),
        stderr=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode().startswith("lineage: cannot write to standard output")
    assert len(done.stderr.splitlines()) == 1


def test_help_that_cannot_be_written_is_one_line(lineage: Lineage) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "--help"],
            cwd=lineage.folder,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


def test_a_table_in_a_pipe_is_neither_cut_nor_padded(loaded: Lineage) -> None:
    lines = loaded.having(COLUMNS="40").ok("export", "edges", "-o", "table").out.splitlines()
    edges = loaded.ok("export", "edges").lines
    assert len(lines) == 1 + len(edges)
    assert all(line == line.rstrip() for line in lines)
    for edge in edges:
        assert any(edge["from"]["name"] in line and edge["to"]["name"] in line for line in lines)


def test_the_digest_comes_in_every_form(loaded: Lineage) -> None:
    digest = loaded.ok("digest").out.strip()
    assert loaded.ok("digest", "-o", "json").json == {"digest": digest}
    assert loaded.ok("digest", "-o", "ndjson").lines == [{"digest": digest}]


@pytest.mark.parametrize(
    ("arguments", "settings", "code"),
    [
        (["digest"], {"LINEAGE_REDIS_URL": "redis://127.0.0.1:1/0"}, 3),
        (["digest"], {"LINEAGE_REDIS_URI": "redis://127.0.0.1:1/0"}, 2),
        (["load", "no-such-file"], {}, 2),
        (["reconcile", "--now", "yesterday"], {}, 2),
        (["dead-letters", "show", "nonsense"], {"LINEAGE_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}, 2),
        (["no-such-command"], {}, 2),
        (["doctor"], {"LINEAGE_REGISTRY_URL": "ftp://x"}, 2),
        (["run"], {"LINEAGE_REGISTRY_URL": "ftp://x"}, 2),
        (["run"], {}, 2),
        (["--version"], {}, 0),
    ],
)
def test_exit_codes_say_who_is_at_fault(
    lineage: Lineage, arguments: list[str], settings: dict[str, str], code: int
) -> None:
    done = lineage.having(**settings)(*arguments)
    assert done.code == code
    assert bool(done.err) == bool(code)


def test_an_export_into_a_file_is_there_whole_or_not_at_all(loaded: Lineage) -> None:
    done = loaded.ok("export", "edges", "--to", "edges.ndjson")
    assert done.out == ""
    written = (loaded.folder / "edges.ndjson").read_text(encoding="utf-8")
    assert written == loaded.ok("export", "edges").out
    away = loaded.having(LINEAGE_REDIS_URL="redis://127.0.0.1:1/0")
    assert away("export", "edges", "--to", "edges.ndjson").code == 3
    assert (loaded.folder / "edges.ndjson").read_text(encoding="utf-8") == written
    nowhere = loaded("export", "nodes", "--to", "no/such/folder.ndjson")
    assert (nowhere.code, len(nowhere.err.splitlines())) == (2, 1)
    assert sorted(path.name for path in loaded.folder.glob("edges*")) == ["edges.ndjson"]


def test_a_reader_that_leaves_early_hears_no_complaint(loaded: Lineage) -> None:
    command = subprocess.Popen(
        [*COMMAND, "export", "edges"],
        cwd=loaded.folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout
    command.stdout.close()
    assert command.stderr
    assert command.stderr.read() == b""
    command.stderr.close()
    assert command.wait() == 141


def test_two_commands_at_once_take_turns(loaded: Lineage) -> None:
    digest = loaded.ok("digest").out
    commands = [
        subprocess.Popen(
            [*COMMAND, "digest"],
            cwd=loaded.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]
    assert [command.communicate()[0].decode() for command in commands] == [digest] * 3


def test_search_by_text_prefix_owner_kind_and_what_is_near(loaded: Lineage) -> None:
    assert [node["name"] for node in loaded.ok("search", "orders", "--kind", "dataset", "-o", "json").json][0:1] == [
        "raw.orders"
    ]
    shown = loaded.ok("search", "rev", "--prefix").out
    assert "marts.revenue" in shown
    none = loaded("search", "revenu_reprot")
    assert (none.code, "revenue_report" in none.err) == (1, True)
    assert loaded("search").code == 2
    assert loaded("search", "--owner", "nobody").code == 1


def test_a_graph_is_drawn_where_graphviz_is_and_says_what_to_do_where_it_is_not(
    loaded: Lineage, tmp_path: Path
) -> None:
    # As dot is called: reads DOT, writes the picture.
    (tmp_path / "dot").write_text('#!/bin/sh\necho "$1"; exec /bin/cat\n')
    (tmp_path / "dot").chmod(0o755)
    drawn = loaded.having(PATH=str(tmp_path)).ok("down", "raw/orders", "-o", "svg").out
    assert drawn.startswith("-Tsvg\ndigraph lineage {")
    missing = loaded.having(PATH="/nowhere")("path", "raw.orders", "marts.revenue", "-o", "png")
    assert (missing.code, "install" in missing.err, "-o mermaid" in missing.err) == (2, True, True)


def test_schemas_runs_and_alerts_are_exported_in_a_stable_order(loaded: Lineage) -> None:
    schemas = loaded.ok("export", "schemas").lines
    assert {"dataset", "observer", "current", "first_seen", "run_id", "columns", "changes"} <= schemas[0].keys()
    assert schemas == sorted(schemas, key=lambda each: (each["dataset"]["namespace"], each["dataset"]["name"]))
    runs = loaded.ok("export", "runs", "-o", "json").json
    assert {run["state"] for run in runs} <= {"RUNNING", "COMPLETE", "FAIL", "ABORT"}
    assert runs
    assert loaded.ok("export", "alerts", "-o", "json").json == []
    assert loaded("export", "alerts", "--at", "1d").code == 2
    assert len(loaded.ok("export", "schemas", "-o", "table").out.splitlines()) == len(schemas) + 1
    assert len(loaded.ok("export", "runs", "-o", "table").out.splitlines()) == len(runs) + 1


def test_who_changed_which_column_and_when(lineage: Lineage) -> None:
    def stated(minutes: float, *columns: str) -> bytes:
        return json.dumps(
            event(minutes=minutes, run=int(minutes), outputs=[table("t", schema=schema(*columns))])
        ).encode()

    lineage.ok("load", "-", stdin=b"\n".join([stated(0, "id", "n:int"), stated(60, "id:bigint", "m")]))
    newest, first = lineage.ok("show", "t", "--schemas", "-o", "json").json
    assert [(change["path"], change["change"]) for change in newest["changes"]] == [
        ("id", "RETYPED"),
        ("m", "ADDED"),
        ("n", "REMOVED"),
    ]
    assert (newest["run_id"], newest["current"], first["changes"]) == (run_id(60), True, [])
    assert "id became bigint, was string, m added, n removed" in lineage.ok("show", "t", "--schemas").out
    assert [run["state"] for run in lineage.ok("show", "load_orders", "--runs", "-o", "ndjson").lines] == [
        "COMPLETE"
    ] * 2
    assert lineage("show", "t", "--runs").code == 2
