"""A file is changed whole or not at all, by one at a time."""

import os
import stat

import pytest

from launcher import replacing
from launcher.errors import LaunchError
from launcher.replacing import editing


def test_an_edit_that_fails_leaves_the_file_and_nothing_beside_it(tmp_path, monkeypatch):
    (file := tmp_path / "k").write_text("before")

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LaunchError, match="No space left on device"), editing(file) as draft:
        draft.replace("after")
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


def test_the_second_waits_and_is_refused_when_the_first_does_not_end(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing, "PATIENCE", 0.0)
    with editing(tmp_path / "k"), pytest.raises(LaunchError, match="another command edits"), editing(tmp_path / "k"):
        pass


def test_who_raises_while_editing_lets_the_next_in(tmp_path):
    with pytest.raises(RuntimeError), editing(tmp_path / "k"):
        raise RuntimeError
    with editing(tmp_path / "k") as draft:
        draft.replace("after")
    assert (tmp_path / "k").read_text() == "after"


def test_the_mode_is_the_owners_only_whatever_it_was(tmp_path):
    (file := tmp_path / "k").write_text("before")
    file.chmod(0o644)
    with editing(file) as draft:
        draft.replace("after")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_root_edits_stays_its_owners(tmp_path):
    (file := tmp_path / "k").write_text("before")
    os.chown(file, 12345, 12345)
    with editing(file) as draft:
        draft.replace("after")
    assert (file.stat().st_uid, file.stat().st_gid) == (12345, 12345)


def test_a_folder_that_cannot_be_is_a_clear_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LaunchError, match=r"cannot write .*/file/k: File exists"), editing(tmp_path / "file/k"):
        pass
