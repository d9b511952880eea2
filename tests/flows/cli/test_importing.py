"""`sim-arena trace import`, and how SimKube's settings are given."""

import io

import pytest

from flows.cli import errors
from flows.cli.asked import _tree
from tests.traces.test_importers import WEB
from traces import load_trace


def test_what_helm_prints_becomes_a_trace(cli, tmp_path, monkeypatch):
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{WEB}\n---\n{service}\n"))
    out = tmp_path / "web.sktrace"
    answer = cli("trace", "import", "-", "--out", out, "--ns", "shop")
    assert answer.code == 0
    assert "1 x v1.Service" in answer.out
    assert "2 objects, 1 of them workloads" in answer.out
    assert set(load_trace(out)["index"]) == {"apps/v1.Deployment", "v1.ServiceAccount"}
    (tmp_path / "web.yaml").write_text(WEB)
    document = cli("trace", "import", tmp_path, "--out", out, "--json").json
    assert document["workloads"] == ["Deployment default/web"]


def test_a_mistake_in_the_manifests_is_one_line(cli, tmp_path):
    bad = tmp_path / "values.yaml"
    bad.write_text("replicaCount: 3")
    for source in (bad, tmp_path / "none.yaml"):
        answer = cli("trace", "import", source, "--out", tmp_path / "out.sktrace")
        assert answer.code == errors.USAGE
        assert answer.err.count("\n") == 1
    assert not (tmp_path / "out.sktrace").exists()


def test_settings_with_dots_are_a_tree():
    given = {"port": "9000", "trace_store": "s3://a/b", "lifecycle.image_pull_delay": "5"}
    assert _tree(given) == {
        "port": 9000,
        "trace_store": "s3://a/b",
        "lifecycle": {"image_pull_delay": 5},
    }


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("port=many", "--simkube port: Input should be a valid integer"),
        ("prt=1", "--simkube prt: unknown, expected one of driver_image, "),
        ("lifecycle.pull=1", "--simkube lifecycle.pull: unknown, expected one of image_pull_delay"),
        ("virtual_ns_prefix=No!", "--simkube virtual_ns_prefix: String should match"),
        ("port", "expected NAME=VALUE, found 'port'"),
    ],
)
def test_a_wrong_setting_is_told_with_its_name(cli, broken, setting, told):
    asked = ("--trace", broken.path, "--deploy", "web", "--target", "1")
    answer = cli("preflight", *asked, "--cluster", "simkube", "--simkube", setting)
    assert answer.code == errors.USAGE
    assert told in answer.err
