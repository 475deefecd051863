"""Says whether `api/proto` breaks clients that were built from an earlier commit of it.

`buf breaking` can read an earlier commit by itself, but not the third-party protos beside it,
which are not committed; so the earlier contract is laid out beside today's copies of them.
"""

import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from codegen import third_party_protos

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "api/proto"


def earlier_contract(reference: str) -> bytes | None:
    """The contract at a commit, as a tar archive; None where that has none, or does not exist."""
    done = subprocess.run(
        ["git", "archive", reference, CONTRACT], cwd=ROOT, capture_output=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def breaks(reference: str) -> bool:
    """Whether clients of the contract at `reference` break; `buf` prints what breaks them.

    Raises:
        subprocess.CalledProcessError: the earlier contract cannot be read.
    """
    archive = earlier_contract(reference)
    if archive is None:
        print(f"no {CONTRACT} at {reference}: there is nothing to break")
        return False
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder, "earlier.binpb")
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        Path(folder, "buf.yaml").write_bytes((ROOT / "buf.yaml").read_bytes())
        Path(folder, "build").mkdir()
        Path(folder, "build", "proto").symlink_to(third_party_protos.PROTOS)
        subprocess.run(["buf", "build", CONTRACT, "--output", image], cwd=folder, check=True)
        done = subprocess.run(
            ["buf", "breaking", CONTRACT, "--against", image], cwd=ROOT, check=False
        )
    return done.returncode != 0
