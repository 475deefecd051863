"""Writes `gen/` anew from `api/proto`."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from codegen import openapi, third_party_protos

ROOT = Path(__file__).resolve().parents[2]
GEN = ROOT / "gen"

# What people wrote under gen/; all else there is generated.
_KEPT = frozenset(
    {
        "go/go.mod",
        "go/go.sum",
        "openapi/go.mod",
        "openapi/openapi.go",
        "python/pyproject.toml",
    }
)

_TEMPLATES = ("buf.gen.python.yaml", "buf.gen.yaml", "buf.gen.ts.yaml")


def generate(out: Path) -> None:
    """Generate all languages into the empty folder `out`.

    Raises:
        subprocess.CalledProcessError: a generator failed; it has said why on standard error.
    """
    third_party_protos.prepare()
    install_npm_packages(os.environ["PATH"])
    for template in _TEMPLATES:
        subprocess.run(
            ["buf", "generate", "--template", template, "--output", str(out)], cwd=ROOT, check=True
        )
    for stubs in out.glob("python/**/*_pb2_grpc.pyi"):
        # mypy-protobuf writes one also for a file without a service.
        if not stubs.with_suffix(".py").exists():
            stubs.unlink()
    for package in {path.parent for path in out.glob("python/**/*_pb2.pyi")}:
        (package / "py.typed").touch()
    _merge_openapi(out / "openapi")


def install_npm_packages(path: str) -> None:
    """Make node_modules what package-lock.json says, unless it is.

    npm keeps a lock file of its own there, of what is installed on this platform.

    Args:
        path: PATH with npm on it.

    Raises:
        subprocess.CalledProcessError: they cannot be had.
    """
    wanted = _npm_packages(ROOT / "package-lock.json")
    installed = ROOT / "node_modules" / ".package-lock.json"
    present = _npm_packages(installed) if installed.exists() else {}
    if any(
        present.get(name, {}).get("version") != package.get("version")
        for name, package in wanted.items()
        if name and not package.get("optional")
    ):
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=ROOT,
            env=os.environ | {"PATH": path},
            stdout=subprocess.DEVNULL,
            check=True,
        )


def _npm_packages(lock: Path) -> dict[str, dict[str, Any]]:
    return json.loads(lock.read_text())["packages"]


def _merge_openapi(folder: Path) -> None:
    documents = sorted(folder.rglob("*.openapi.json"))
    merged = openapi.merge([json.loads(path.read_text()) for path in documents])
    shutil.rmtree(folder)
    folder.mkdir()
    text = json.dumps(merged, indent=2, ensure_ascii=False)
    (folder / "tickwheel.openapi.json").write_text(text + "\n")


def generated_files(folder: Path) -> dict[str, bytes]:
    """What is in `folder`, by relative path, less what people wrote and what Python caches."""
    return {
        name: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and (name := path.relative_to(folder).as_posix()) not in _KEPT
        and "__pycache__" not in path.parts
    }


def replace(fresh: dict[str, bytes]) -> None:
    """Make the generated files of `gen/` those in `fresh`; unchanged ones are not touched."""
    present = generated_files(GEN)
    for name in present.keys() - fresh.keys():
        (GEN / name).unlink()
    for name, content in fresh.items():
        if present.get(name) != content:
            path = GEN / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def main() -> int:
    """Write gen/; 1 when a generator fails, and gen/ is as it was."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            generate(Path(folder))
        except subprocess.CalledProcessError as error:
            print(f"gen/ is as it was: {error}", file=sys.stderr)
            return 1
        replace(generated_files(Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
