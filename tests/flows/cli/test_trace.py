import msgpack
import pytest

from flows.cli import errors
from flows.cli.trace import _ranges
from traces import find_deployments, load_trace


@pytest.fixture
def old_trace(broken, tmp_path):
    """An early trace: events and nothing else."""
    path = tmp_path / "old.sktrace"
    document = msgpack.unpackb(broken.path.read_bytes(), strict_map_key=False, use_list=False)
    path.write_bytes(msgpack.packb({"events": document["events"]}))
    return path


def test_show_lists_the_workloads(cli, broken):
    document = cli("trace", "show", broken.path, "--json").json
    refs = find_deployments(load_trace(broken.path))
    assert [one["name"] for one in document["workloads"]] == [ref.name for ref in refs]
    shown = cli("trace", "show", broken.path).out
    assert all(ref.name in shown for ref in refs)


@pytest.mark.filterwarnings("default::traces.TraceNotice")
def test_an_old_trace_is_upgraded_with_a_notice(cli, old_trace):
    answer = cli("trace", "show", old_trace, "--json")
    assert answer.code == 0
    assert answer.json["version"] == 2
    assert answer.err.startswith("sim-arena: notice: ")
    assert answer.err.count("\n") == 1


def test_validate_says_which_file_is_wrong_and_where(cli, broken, tmp_path):
    bad = tmp_path / "bad.sktrace"
    bad.write_bytes(broken.path.read_bytes()[:-5])
    answer = cli("trace", "validate", broken.path, bad)
    assert answer.code == errors.FAILED
    good_line, bad_line = answer.out.splitlines()
    assert good_line == f"{broken.path}: valid"
    assert "byte" in bad_line
    entries = cli("trace", "validate", broken.path, bad, "--json").json
    assert [entry["valid"] for entry in entries] == [True, False]
    assert entries[1]["where"].startswith("byte")


def test_validate_of_good_files_is_code_0(cli, demo):
    assert cli("trace", "validate", *sorted(demo.glob("*.sktrace"))).code == 0


def test_validate_of_a_missing_file_is_code_2(cli, broken):
    answer = cli("trace", "validate", broken.path, "missing.sktrace")
    assert answer.code == errors.USAGE
    assert "missing.sktrace does not exist" in answer.error


def test_edit_then_diff(cli, broken, tmp_path):
    out = tmp_path / "edited.sktrace"
    words = ["--action", "reduce_cpu_small", "--step", "1", "--deploy", broken.name, "--out", out]
    edited = cli("trace", "edit", broken.path, *words)
    assert edited.code == 0
    assert "requests.cpu" in edited.out
    assert f"written to {out}" in edited.out
    (change,) = cli("trace", "diff", broken.path, out, "--json").json
    assert change["field"] == "requests.cpu"
    assert change["name"] == broken.name
    assert change["before"] != change["after"]
    assert change["before"] in cli("trace", "diff", broken.path, out).out


def test_diff_of_equal_traces(cli, broken):
    answer = cli("trace", "diff", broken.path, broken.path)
    assert (answer.code, answer.out) == (0, "no differences in requests, limits and replicas\n")
    assert cli("trace", "diff", broken.path, broken.path, "--json").json == []


def test_edit_tells_what_the_guardrails_did(cli, broken, tmp_path):
    out = tmp_path / "edited.sktrace"
    words = ["--action", "reduce_cpu_small", "--step", "200", "--deploy", broken.name]
    answer = cli("trace", "edit", broken.path, *words, "--out", out, "--json")
    assert "clipped" in answer.json["notes"][0]


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        (["--action", "noop"], (errors.FAILED, "noop changes nothing")),
        (["--action", "bump_cpu_limit"], (errors.FAILED, "no cpu limit")),
        (["--action", "explode"], (errors.USAGE, "explode")),
        (["--action", "bump_cpu_small", "--step", "1mi"], (errors.USAGE, "1mi")),
        (["--action", "bump_cpu_small", "--deploy", "nope"], (errors.USAGE, "the trace has ")),
        (["--action", "bump_cpu_small", "--ns", "nope"], (errors.USAGE, "the trace has ")),
        (["--action", "bump_cpu_small", "--container", "x"], (errors.USAGE, "it has: ")),
    ],
)
def test_edits_that_do_nothing_write_nothing(cli, broken, tmp_path, words, ends):
    out = tmp_path / "edited.sktrace"
    answer = cli("trace", "edit", broken.path, "--deploy", broken.name, "--out", out, *words)
    code, told = ends
    assert answer.code == code
    assert told in answer.error
    assert not out.exists()


def test_generate_is_the_same_for_a_seed(cli, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        assert cli("trace", "generate", "--seed", 7, "--count", 2, "--out", folder).code == 0
    names = sorted(path.name for path in one.iterdir())
    assert len(names) == 3
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)


def test_generate_needs_a_folder(cli, broken):
    answer = cli("trace", "generate", "--out", broken.path)
    assert answer.code == errors.USAGE
    assert "is no folder" in answer.error


@pytest.mark.parametrize(
    ("positions", "text"), [([0], "0"), ([3, 0, 1, 2, 7], "0-3, 7"), ([1, 1], "1")]
)
def test_events_are_written_as_ranges(positions, text):
    assert _ranges(positions) == text
