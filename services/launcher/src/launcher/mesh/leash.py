"""`python -m launcher.mesh.leash PARENT [--user UID] PROGRAM ...`: a program of somebody else's that ends with the launcher, whose process id
is PARENT, however the launcher ends; with `--user` as somebody else."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2); it outlasts exec, and not a change of user


def main(arguments: list[str]) -> None:
    """Becomes the program. Where the kernel cannot tell it of its parent's death, it has only the launcher's own care."""
    parent, *arguments = arguments
    if arguments[0] == "--user":
        become(int(arguments[1]))
        arguments = arguments[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit("the launcher is gone")  # before the kernel was asked
    os.execvp(arguments[0], arguments)  # noqa: S606  what the launcher says


def become(user: int) -> None:
    """The process is `user`'s from now on, in a folder that everybody may enter."""
    os.chdir("/")
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


if __name__ == "__main__":
    main(sys.argv[1:])
