"""`python -m launcher.mesh.leash PROGRAM ...`: a program of somebody else's that ends with the launcher, however the launcher ends."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); it outlasts exec


def main(arguments: list[str]) -> None:
    """Becomes the program. Where the kernel cannot tell it of its parent's death, it has only the launcher's own care."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit("the launcher is gone")
    os.execvp(arguments[0], arguments)  # noqa: S606  what the launcher says


if __name__ == "__main__":
    main(sys.argv[1:])
