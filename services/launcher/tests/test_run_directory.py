import stat

import msgspec
import pytest

from launcher.errors import LaunchError
from launcher.meshfile import HttpAddress, MeshFile, clear_remains, find_mesh, remove_mesh_file, write_mesh_file
from launcher.rundir import data_lock, is_locked, run_directory

MESH = MeshFile(
    pid=7,
    version="v",
    control="unix:/c",
    http=HttpAddress("0.0.0.0", 4003),
    admin=HttpAddress("127.0.0.1", 4004),
    services={"cache": "unix:/s"},
    started_at=1.5,
)


def test_the_run_directory_is_private_and_gone_afterwards(data_dir):
    with run_directory(str(data_dir)) as path:
        (path / "a.sock").touch()
        assert path.parent == data_dir
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert not path.exists()


def test_a_base_whose_sockets_would_be_too_long_is_not_used(tmp_path):
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    with run_directory(str(deep)) as path:
        assert len(f"{path}/ratelimit.sock") <= 104
        assert deep not in path.parents


def test_a_base_that_is_not_there_is_not_used():
    with run_directory("/nonexistent") as path:
        assert path.is_dir()


@pytest.mark.parametrize("control", ["unix:{}/runestone-x/control.sock", "unix:{}/precious/control.sock"])
def test_only_run_directories_are_cleared_away(data_dir, control):
    """A file is not trusted with what it may have removed."""
    for name in ("runestone-x", "precious"):
        (data_dir / name).mkdir()
    write_mesh_file(data_dir, msgspec.structs.replace(MESH, control=control.format(data_dir)))
    clear_remains(data_dir)
    left = sorted(path.name for path in data_dir.iterdir())
    assert left == (["precious"] if "runestone-x" in control else ["precious", "runestone-x"])


def test_only_one_mesh_holds_a_data_directory(tmp_path):
    with data_lock(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(LaunchError, match="another mesh runs on"), data_lock(tmp_path):
            pass
    assert not is_locked(tmp_path)


def test_looking_does_not_lock(tmp_path):
    with data_lock(tmp_path):
        pass
    assert not is_locked(tmp_path)
    with data_lock(tmp_path):
        assert is_locked(tmp_path)


def test_a_data_directory_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LaunchError, match="cannot write to the data directory"), data_lock(tmp_path / "file" / "x"):
        pass


def test_a_running_mesh_is_found_by_its_file(tmp_path):
    with data_lock(tmp_path):
        write_mesh_file(tmp_path, MESH)
        assert find_mesh(tmp_path) == MESH
        assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "mesh.json"]


def test_a_file_that_a_killed_launcher_left_is_not_a_mesh(tmp_path):
    with data_lock(tmp_path):
        write_mesh_file(tmp_path, MESH)
    with pytest.raises(LaunchError, match="no mesh runs on"):
        find_mesh(tmp_path)


def test_a_mesh_that_is_still_starting_is_said_so(tmp_path):
    remove_mesh_file(tmp_path)
    with data_lock(tmp_path), pytest.raises(LaunchError, match="still starting"):
        find_mesh(tmp_path)


def test_a_damaged_file_is_one_clear_error(tmp_path):
    (tmp_path / "mesh.json").write_text("{")
    with data_lock(tmp_path), pytest.raises(LaunchError, match="cannot read"):
        find_mesh(tmp_path)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://[::1]:1")],
)
def test_the_url_works_on_the_same_machine(host, url):
    assert HttpAddress(host, 1).url == url
