"""The lock that says who owns a spool directory."""

import fcntl

import pytest

from gateway_edge.spool.lock import take_lock


def test_one_owner_at_a_time(tmp_path):
    """Until it is released."""
    lock = take_lock(tmp_path)
    assert take_lock(tmp_path) is None
    lock.release()
    heir = take_lock(tmp_path)
    assert heir is not None
    heir.release()


def test_a_directory_that_is_gone_has_no_owner(tmp_path):
    """Somebody adopted, shipped and removed it."""
    assert take_lock(tmp_path / "gone") is None


def test_a_lock_on_a_file_that_was_removed_meanwhile_owns_nothing(tmp_path, monkeypatch):
    """Two workers look at the same orphan: the slower one locks what the faster one has just removed."""
    lock_file = fcntl.flock

    def remove_and_lock(descriptor, how):
        (tmp_path / "lock").unlink()
        lock_file(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    assert take_lock(tmp_path) is None


def test_removing_leaves_what_is_not_ours(tmp_path):
    """A directory with foreign files stays, and is free again."""
    (tmp_path / "foreign").touch()
    lock = take_lock(tmp_path)
    with pytest.raises(OSError, match="not empty"):
        lock.release_and_remove()
    heir = take_lock(tmp_path)
    assert heir is not None
    heir.release()
