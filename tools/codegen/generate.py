"""Write `gen/` anew from `api/proto`, or with `--check` say whether it is current."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from codegen import openapi, third_party_protos

ROOT = Path(__file__).resolve().parents[2]
GEN = ROOT / "gen"

# What people wrote under gen/; all else there is generated.
_KEPT = frozenset({"go/go.mod", "go/go.sum", "python/pyproject.toml"})

_TEMPLATES = ("buf.gen.python.yaml", "buf.gen.yaml")


def generate(out: Path) -> None:
    """Generate all languages into the empty folder `out`.

    Raises:
        subprocess.CalledProcessError: a generator failed; it has said why on standard error.
    """
    third_party_protos.prepare()
    _install_npm_packages()
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


def _install_npm_packages() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    installed = ROOT / "node_modules" / ".package-lock.json"
    present = json.loads(installed.read_text())["packages"] if installed.exists() else {}
    if any(
        present.get(name, {}).get("version") != package["version"]
        for name, package in lock.items()
        if name and not package.get("optional")
    ):
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def _merge_openapi(folder: Path) -> None:
    documents = sorted(folder.rglob("*.openapi.json"))
    merged = openapi.merge([json.loads(path.read_text()) for path in documents])
    shutil.rmtree(folder)
    folder.mkdir()
    text = json.dumps(merged, indent=2, ensure_ascii=False)
    (folder / "tickwheel.openapi.json").write_text(text + "\n")


def generated_files(folder: Path) -> dict[str, bytes]:
    """What is in `folder`, by path relative to it, less what people wrote and what Python caches."""
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


def stale(present: dict[str, bytes], fresh: dict[str, bytes]) -> list[str]:
    """How `present` differs from `fresh`: a line for each file, none when it is current."""
    return [
        f"{name}: {how}"
        for name in sorted(present.keys() | fresh.keys())
        if (
            how := "missing"
            if name not in present
            else "not generated any more"
            if name not in fresh
            else "out of date"
            if present[name] != fresh[name]
            else ""
        )
    ]


def main() -> int:
    """Do what the arguments say; 1 when `--check` finds gen/ out of date, or a generator fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check: bool = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        try:
            generate(Path(folder))
        except subprocess.CalledProcessError as error:
            print(f"gen/ is as it was: {error}", file=sys.stderr)
            return 1
        fresh = generated_files(Path(folder))
    if not check:
        replace(fresh)
        return 0
    differences = stale(generated_files(GEN), fresh)
    for line in differences:
        print(f"gen/{line}", file=sys.stderr)
    if differences:
        print("gen/ is not current: run `make generate` and commit it", file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
