"""Puts the third-party protos that the contract imports into `build/proto`.

They come out of packages pinned elsewhere, and are not committed: google/api and google/rpc
from the wheel googleapis-common-protos (uv.lock), buf/validate from the Go module
github.com/bufbuild/protovalidate (tools/codegen/go.mod).
"""

import json
import shutil
import subprocess
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "build" / "proto"

_GOOGLE = (
    "google/api/annotations.proto",
    "google/api/field_behavior.proto",
    "google/api/http.proto",
    "google/api/resource.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)
_VALIDATE = "buf/validate/validate.proto"


def prepare() -> None:
    """Make `build/proto` anew.

    Raises:
        RuntimeError: a package lacks a file that is wanted from it.
        subprocess.CalledProcessError: the Go module cannot be had.
    """
    shutil.rmtree(PROTOS, ignore_errors=True)
    in_wheel = {str(f): f for f in files("googleapis-common-protos") or ()}
    for name in _GOOGLE:
        if name not in in_wheel:
            message = f"googleapis-common-protos does not carry {name}"
            raise RuntimeError(message)
        _copy(Path(str(in_wheel[name].locate())), name)
    _copy(_validate_module() / "proto" / "protovalidate" / _VALIDATE, _VALIDATE)


def _validate_module() -> Path:
    listed = subprocess.run(
        ["go", "mod", "download", "-json", "github.com/bufbuild/protovalidate"],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Path(json.loads(listed.stdout)["Dir"])


def _copy(source: Path, name: str) -> None:
    target = PROTOS / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    # Go's module cache is read-only; the copy must be removable.
    target.chmod(0o644)


if __name__ == "__main__":
    prepare()
