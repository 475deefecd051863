"""Protoc plugin that writes Python gRPC stubs (`*_pb2_grpc.py`).

buf speaks the plugin protocol (a CodeGeneratorRequest on standard input), but the stub
generator exists only inside grpcio-tools' protoc, which wants a descriptor set; this puts
the one behind the other. Files without a service are left out: their stubs are empty.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.protobuf.compiler import plugin_pb2


def respond(request: plugin_pb2.CodeGeneratorRequest) -> plugin_pb2.CodeGeneratorResponse:
    """Generate the stubs of the files asked for; a failure becomes the response's `error`."""
    response = plugin_pb2.CodeGeneratorResponse(
        supported_features=plugin_pb2.CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL
    )
    wanted = set(request.file_to_generate)
    with_services = [f.name for f in request.proto_file if f.service and f.name in wanted]
    if not with_services:
        return response
    with tempfile.TemporaryDirectory() as folder:
        descriptors = Path(folder, "descriptors.binpb")
        out = Path(folder, "out")
        out.mkdir()
        descriptors.write_bytes(
            descriptor_pb2.FileDescriptorSet(file=request.proto_file).SerializeToString()
        )
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "grpc_tools.protoc",
                f"--descriptor_set_in={descriptors}",
                f"--grpc_python_out={out}",
                *with_services,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            response.error = done.stderr
            return response
        for path in sorted(out.rglob("*.py")):
            response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text())
    return response


if __name__ == "__main__":
    asked = plugin_pb2.CodeGeneratorRequest.FromString(sys.stdin.buffer.read())
    sys.stdout.buffer.write(respond(asked).SerializeToString())
