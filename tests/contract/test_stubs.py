"""The generated stubs are those of the protos."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_stubs_are_not_stale():
    """`make proto` writes them; nobody edits them."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # protoc finds its plugins there
    command = [sys.executable, "services/protos/generate.py", "--check"]
    done = subprocess.run(  # noqa: PLW1510  the assertion below shows what it said
        command, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stub_imports_by_the_protos_own_path():
    """`runestone/cache/v1/cache.proto` is `runestone.cache.v1.cache_pb2`: nothing is rewritten."""
    from runestone.cache.v1 import cache_pb2

    assert cache_pb2.DESCRIPTOR.name == "runestone/cache/v1/cache.proto"
