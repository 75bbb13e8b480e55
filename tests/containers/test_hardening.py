"""With how little each container of the mesh runs: looked up at the engine, and tried from inside."""

import json

import pytest

from containers.mesh import ContainerMesh

OURS = ("edge-0", "cache-0", "ratelimit-0", "provider-0", "audit-0")
# What a process without rights may not do, tried by one that has those of the service.
ATTEMPTS = """\
import json, os, socket, pathlib
def fails(act):
    try:
        act()
    except OSError as error:
        return error.errno
print(json.dumps({
    "ids": [os.getuid(), os.getgid(), os.getgroups()],
    "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapPrm", "CapEff", "CapBnd", "CapAmb"))],
    "no_new_privileges": [line.split()[1] for line in open("/proc/self/status") if line.startswith("NoNewPrivs")],
    "root": fails(lambda: pathlib.Path("/written").write_text("x")),
    "code": fails(lambda: pathlib.Path("/opt/runestone/written").write_text("x")),
    "configuration": fails(lambda: pathlib.Path("/etc/runestone/runestone.yaml").write_text("x")),
    "raw": fails(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)),
    "data": fails(lambda: pathlib.Path("/var/lib/runestone/written").write_text("x")),
    "tmp": fails(lambda: pathlib.Path("/tmp/written").write_text("x")),
}))
"""
EPERM, EROFS = 1, 30


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_as_nobody_without_capabilities_on_a_root_it_cannot_write(
    mesh: ContainerMesh, name: str
) -> None:
    code, written = mesh.parts[name].run("python", "-c", ATTEMPTS)
    assert code == 0, written
    found = json.loads(written)
    assert found["ids"][:2] == [65532, 65532]
    assert set(found["ids"][2]) <= {65532}
    assert set(found["capabilities"]) == {"0" * 16}
    assert found["no_new_privileges"] == ["1"]
    assert (found["root"], found["code"], found["configuration"], found["raw"]) == (EROFS, EROFS, EROFS, EPERM)
    assert (found["data"], found["tmp"]) == (None, None), "where it may write"


def test_no_container_of_the_mesh_has_more_than_it_must(mesh: ContainerMesh) -> None:
    for part in mesh.parts.values():
        attributes = part.engine.attrs
        host = attributes["HostConfig"]
        assert host["ReadonlyRootfs"] is True, part.name
        assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False), part.name
        assert host["Memory"] and host["PidsLimit"], part.name
        assert attributes["Config"]["User"].split(":")[0] not in {"", "0", "root"}, part.name
        published = [one["HostIp"] for ports in (host["PortBindings"] or {}).values() for one in ports]
        assert set(published) <= {"127.0.0.1"}, part.name


def test_processes_are_those_of_the_services_and_nobody_elses(mesh: ContainerMesh) -> None:
    """Nothing starts a shell, and nothing is left of who asked how it is."""
    for name in OURS:
        running = mesh.parts[name].engine.top(ps_args="-eo pid,args")["Processes"]
        ours = [words for _, words in running if "launcher.health" not in words]
        assert len(ours) == 1, ours
        assert f"serve {mesh.parts[name].service}" in ours[0]
