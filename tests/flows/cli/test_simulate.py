import re
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli import errors
from sim_arena.engine import Parameters, Simulation, compile_trace
from sim_arena.nodes import parse_nodes
from traces import load_trace, save_trace

SHARED = Path(__file__).parents[4] / "shared" / "traces"


def test_the_end_by_default(cli, broken):
    document = cli("simulate", "--trace", broken.path, "--nodes", broken.nodes, "--json").json
    (moment,) = document["at"]
    events = load_trace(broken.path)["events"]
    assert moment["t"] == events[-1]["ts"] - events[0]["ts"] + 60
    (found,) = [one for one in moment["workloads"] if one["name"] == broken.name]
    assert list(found) == ["kind", "namespace", "name", "ready", "pending", "total", "reasons"]
    assert (found["kind"], found["namespace"]) == ("Deployment", broken.namespace)
    assert (found["ready"], found["pending"], found["total"]) == (0, broken.target, broken.target)
    ((message, count),) = found["reasons"].items()
    assert "Insufficient cpu" in message
    assert count == broken.target


def test_at_is_repeatable_and_sorted(cli, broken):
    document = cli("simulate", "--trace", broken.path, "--at", 20, "--at", 0.5, "--json").json
    assert [moment["t"] for moment in document["at"]] == [0.5, 20]
    assert document["warnings"] == []


def test_the_events_of_the_second_asked_for_are_included(cli, broken):
    events = load_trace(broken.path)["events"]
    at = events[-1]["ts"] - events[0]["ts"]
    answer = cli("simulate", "--trace", broken.path, "--at", at - 1, "--at", at, "--json")
    totals = [sum(one["total"] for one in moment["workloads"]) for moment in answer.json["at"]]
    assert totals[0] < totals[1]


def test_it_says_what_the_engine_says(cli, broken):
    answer = cli("simulate", "--trace", broken.path, "--seed", 3, "--duration", 30, "--json")
    program = compile_trace(
        load_trace(broken.path), parse_nodes("3x16cpu,32Gi"), Parameters(duration=30)
    )
    simulation = Simulation(program, seed=3)
    simulation.advance(None)
    told = {(one["kind"], one["name"]): one["ready"] for one in answer.json["at"][0]["workloads"]}
    assert told == {(one.kind, one.name): one.ready for one in simulation.status()}


def test_without_duration_a_later_time_can_be_asked_for(cli, broken):
    answer = cli("simulate", "--trace", broken.path, "--at", 4000, "--json")
    assert [moment["t"] for moment in answer.json["at"]] == [4000]


def test_a_time_after_the_duration_is_an_error(cli, broken):
    answer = cli("simulate", "--trace", broken.path, "--at", 31, "--duration", 30)
    assert answer.code == errors.USAGE
    assert "31 s is after the end; give --duration 31 or more" in answer.error


def test_the_table_names_the_reasons(cli, broken):
    answer = cli("simulate", "--trace", broken.path, "--nodes", broken.nodes)
    assert answer.code == 0
    assert broken.name in answer.out
    assert "Insufficient cpu" in answer.out
    assert f"{broken.target} x " in answer.out


@pytest.mark.parametrize("columns", ["40", "80", "300"])
def test_tables_fit_the_terminal(cli, broken, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    answer = cli("simulate", "--trace", broken.path, "--nodes", broken.nodes)
    assert max(map(len, answer.out.splitlines())) <= int(columns)
    squeezed = "".join(answer.out.split())
    assert broken.name in squeezed
    assert "Insufficientcpu" in squeezed


def test_no_color_is_respected(cli, broken, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in cli("simulate", "--trace", broken.path).out
    monkeypatch.setenv("NO_COLOR", "1")
    colours = re.compile(r"\x1b\[(\d+;)*[349]\d")
    assert not colours.search(cli("simulate", "--trace", broken.path).out)


def test_delays_move_the_moment_of_ready(cli, demo):
    path = sorted(demo.glob("*.sktrace"))[1]
    words = ["simulate", "--trace", path, "--at", 2, "--json"]
    ready = [
        sum(one["ready"] for one in cli(*words, *more).json["at"][0]["workloads"])
        for more in ([], ["--pod-startup-delay", 5000], ["--image-pull-delay", 5000])
    ]
    assert ready[0] > 0
    assert ready[1:] == [0, 0]


def test_node_manifests(cli, broken, tmp_path):
    (tmp_path / "nodes.yaml").write_text(
        "apiVersion: v1\nkind: Node\nmetadata: {name: big}\n"
        "status: {allocatable: {cpu: '256', memory: 512Gi, pods: '110'}}\n"
    )
    nodes = tmp_path / "nodes.yaml"
    answer = cli("simulate", "--trace", broken.path, "--nodes", nodes, "--json")
    assert all(one["pending"] == 0 for one in answer.json["at"][0]["workloads"])


def test_plain_replay_needs_no_virtual_nodes(cli, broken):
    answer = cli("simulate", "--trace", broken.path, "--replay", "plain", "--json")
    assert answer.code == 0
    assert cli("simulate", "--trace", broken.path, "--replay", "else").code == errors.USAGE


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--trace", "nope.sktrace"], "nope.sktrace does not exist; give the path of a trace"),
        (["--trace", "."], ". is a folder; give the path of a trace"),
        (["--trace", "TRACE", "--nodes", "3xcpu"], "3xcpu"),
        (["--trace", "TRACE", "--nodes", "missing.yaml"], "missing.yaml"),
        (["--trace", "TRACE", "--duration", "0"], "--duration"),
        (["--trace", "TRACE", "--at", "-1"], "--at"),
        (["--trace", "TRACE", "--at", "nan"], "--at"),
        (["--trace", "TRACE", "--at", "inf"], "--at"),
        (["--trace", "TRACE", "--seed", "x"], "--seed"),
    ],
)
def test_mistakes_are_one_line(cli, broken, words, told):
    words = [str(broken.path) if word == "TRACE" else word for word in words]
    answer = cli("simulate", *words)
    assert answer.code == errors.USAGE
    assert told in answer.error
    assert answer.out == ""


def test_a_file_that_is_no_trace_is_one_line(cli, tmp_path):
    path = tmp_path / "bad.sktrace"
    path.write_bytes(b"not a trace")
    answer = cli("simulate", "--trace", path)
    assert answer.code == errors.USAGE
    assert "bad.sktrace" in answer.error


def test_it_uses_neither_policy_nor_prefect(broken):
    code = (
        "import sys; from flows.cli import run; "
        f"assert run(['simulate', '--trace', {str(broken.path)!r}, '--json']) == 0; "
        "loaded = {name.partition('.')[0] for name in sys.modules}; "
        "assert not loaded & {'prefect', 'tasks', 'pandas'}; "
        "assert 'sim_arena.policies' not in sys.modules"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not there: SimKube's example traces")
@pytest.mark.parametrize("name", ["bare-pods", "cronjob", "dsb-scaling"])
def test_simkubes_example_traces(cli, name):
    answer = cli("simulate", "--trace", SHARED / f"{name}.sktrace", "--json")
    assert answer.code == 0
    if name == "dsb-scaling":
        assert len(answer.json["at"][0]["workloads"]) == 27
    assert answer.json["warnings"] == []


def test_what_is_not_modelled_is_told_on_stderr(cli, broken, tmp_path):
    trace = load_trace(broken.path)
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "scaler", "namespace": broken.namespace},
        "spec": {},
    }
    trace["events"][0]["applied_objs"].append(autoscaler)
    save_trace(trace, tmp_path / "scaled.sktrace")
    answer = cli("simulate", "--trace", tmp_path / "scaled.sktrace")
    assert "warning" in answer.err
    assert "HorizontalPodAutoscaler" in answer.err


def test_explain_says_which_plugin_rejects_which_node(cli, broken):
    asked = ("simulate", "--trace", broken.path, "--nodes", broken.nodes, "--explain", broken.name)
    (moment,) = cli(*asked, "--json").json["at"]
    told = moment["explained"]
    assert (told["on"], told["chosen"]) == (None, None)
    assert "Insufficient cpu" in told["message"]
    for node in told["nodes"]:
        assert list(node["rejections"]) == ["NodeResourcesFit"]
        assert node["rejections"]["NodeResourcesFit"]["reasons"] == ["Insufficient cpu"]
        assert not node["scores"]
    shown = cli(*asked).out
    assert re.search(r"\d+ +node-0.* NodeResourcesFit +Insufficient cpu +(yes|no)", shown)


def test_explain_says_what_each_score_gave_and_the_sum(cli, broken):
    events = load_trace(broken.path)["events"]
    placed = events[0]["applied_objs"][0]["metadata"]
    name = f"{placed['namespace']}/{placed['name']}"
    (moment,) = cli(
        "simulate", "--trace", broken.path, "--at", 0, "--explain", name, "--json"
    ).json["at"]
    told = moment["explained"]
    sums = {
        node["name"]: sum(
            told["weights"][plugin] * score["normalised"]
            for plugin, score in node["scores"].items()
        )
        for node in told["nodes"]
    }
    assert {node["name"]: node["total"] for node in told["nodes"]} == sums
    assert sums[told["chosen"]] == max(sums.values())
    assert told["on"] in sums


def test_explain_wants_the_name_of_one_workload(cli, broken):
    answer = cli("simulate", "--trace", broken.path, "--explain", "nobody")
    assert answer.code == 2
    assert "no such workload for 'nobody'" in answer.err
    assert broken.name in answer.err
