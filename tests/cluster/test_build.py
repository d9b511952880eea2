"""Where the binaries come from, and what is said where they are missing."""

from pathlib import Path

import pytest

from tests.cluster import build


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(build, "user_cache_path", lambda _: tmp_path / "cache")
    return tmp_path / "cache"


def make_binaries(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch(mode=0o755)
    return folder


def test_the_versions_are_those_of_the_go_modules() -> None:
    assert build.versions() == {"etcd": "3.6.8", "kubernetes": "1.36.3", "kwok": "0.8.0"}


def test_the_cache_folder_is_named_after_the_versions(empty_cache: Path) -> None:
    name = "etcd-3.6.8-kubernetes-1.36.3-kwok-0.8.0"
    assert build.cache_folder() == empty_cache / "control-plane" / name


def test_what_is_missing_is_named_with_what_to_run(empty_cache: Path) -> None:
    make_binaries(build.cache_folder(), "etcd", "kube-apiserver", "kube-scheduler", "kwok")
    with pytest.raises(build.MissingBinariesError) as raised:
        build.find_binaries()
    assert "no kube-controller-manager in" in str(raised.value)
    assert "make control-plane" in str(raised.value)
    assert empty_cache in build.cache_folder().parents


def test_a_named_folder_comes_before_the_cache(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [program.name for program in build.PROGRAMS]
    cache = make_binaries(build.cache_folder(), *names)
    assets = make_binaries(tmp_path / "assets", "etcd", "kube-apiserver")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    found = build.find_binaries()
    assert found["etcd"] == assets / "etcd"
    assert found["kwok"] == cache / "kwok"
    assert empty_cache in cache.parents


def test_a_second_build_builds_nothing(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_binaries(build.cache_folder(), *(program.name for program in build.PROGRAMS))
    monkeypatch.setenv("PATH", "")
    assert build.main() == 0
    assert str(empty_cache) in capsys.readouterr().out


@pytest.mark.usefixtures("empty_cache")
def test_without_go_the_build_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert build.main() == 1
    assert "expected Go 1.26.0 or later" in capsys.readouterr().err
