"""Compares what two images hold of ours, file by file: `compare.py IMAGE IMAGE`. Bytes, modes, owners and dates; of a folder no
date, which some builders make up."""

import hashlib
import subprocess
import sys
import tarfile

SHOWN = 20
PLACES = ("opt/", "var/lib/runestone")
Entry = tuple[bytes, int, int, int, int, str]


def read_image(image: str) -> dict[str, Entry]:
    """Each file and folder that an image has of ours, by its path."""
    container = subprocess.run(
        ["docker", "create", image], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    try:
        with (
            subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as tree,
        ):
            return {member.name: describe(tree, member) for member in tree if member.name.startswith(PLACES)}
    finally:
        subprocess.run(["docker", "rm", "--volumes", container], check=True, stdout=subprocess.DEVNULL)


def describe(tree: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    """What has to be equal."""
    content = tree.extractfile(member) if member.isfile() else None
    told = hashlib.sha256(content.read()).hexdigest() if content else member.linkname
    date = 0 if member.isdir() else int(member.mtime)
    return member.type, member.mode, member.uid, member.gid, date, told


def main(first: str, second: str) -> None:
    """Prints what differs; ends the process with exit code 1 then."""
    one, other = read_image(first), read_image(second)
    different = [name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)]
    if different:
        sys.exit("\n".join([f"{len(different)} are different:", *different[:SHOWN]]))
    print(f"{first} and {second} hold the same {len(one)} files and folders")


if __name__ == "__main__":
    main(*sys.argv[1:])
