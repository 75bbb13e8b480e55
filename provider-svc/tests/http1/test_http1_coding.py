"""Compressed bodies: decoded as they were, in bounded pieces, or refused."""

import gzip
import itertools
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provider_svc.http1.coding import PIECE, Inflater, is_coded
from provider_svc.http1.faults import Malformed


def inflate(pieces: list[bytes]) -> bytes:
    inflater, whole = Inflater(), b""
    for piece in pieces:
        inflater.feed(piece)
        while part := inflater.take():
            assert len(part) <= PIECE
            whole += part
    inflater.finish()
    return whole


@given(st.binary(max_size=2_000), st.integers(1, 300), st.lists(st.integers(0, 5_000), max_size=5))
def test_what_was_compressed_comes_back_however_it_is_cut(data, repeat, places):
    data *= repeat
    for packed in (gzip.compress(data), zlib.compress(data), gzip.compress(data[:7]) + gzip.compress(data[7:])):
        edges = [0, *sorted(place % (len(packed) + 1) for place in places), len(packed)]
        assert inflate([packed[start:end] for start, end in itertools.pairwise(edges)]) == data


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 257])
def test_a_piece_that_is_exactly_full_loses_nothing(size):
    """zlib may hold back the end of a copy although it has read all of its input."""
    assert inflate([gzip.compress(b"a" * size)]) == b"a" * size


@pytest.mark.parametrize("size", [PIECE - 200, PIECE + 100, 2 * PIECE + 100])
def test_whatever_can_be_decoded_is_given_at_once(size):
    """An event that has come is not kept until the next one comes."""
    packed = zlib.compress(b"a" * size)
    for end in range(2, len(packed)):
        inflater, given_out = Inflater(), b""
        inflater.feed(packed[:end])
        while part := inflater.take():
            given_out += part
        assert len(given_out) == len(zlib.decompressobj().decompress(packed[:end]))


@given(st.binary(max_size=100))
def test_what_is_not_compressed_is_a_fault(data):
    with pytest.raises(Malformed):
        inflate([b"not gzip" + data])


@given(st.integers(0, 10_000))
def test_what_breaks_off_is_a_fault(place):
    packed = gzip.compress(bytes(range(256)) * 3)
    with pytest.raises(Malformed, match="breaks off"):
        inflate([packed[: place % len(packed)]])


def test_a_bomb_is_taken_piece_by_piece():
    """A reader that stops after the first piece has paid for one piece, not for a gigabyte."""
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()
    inflater = Inflater()
    inflater.feed(bomb)
    tracemalloc.start()
    assert len(inflater.take()) == PIECE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * PIECE


@pytest.mark.parametrize(
    ("coding", "coded"),
    [(None, False), (b"identity", False), (b"", False), (b" GZIP ", True), (b"x-gzip", True), (b"deflate", True)],
)
def test_the_known_codings_are_known(coding, coded):
    assert is_coded(coding) is coded


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip", b"gzip, br", b"\xff"])
def test_any_other_coding_is_refused(coding):
    with pytest.raises(Malformed):
        is_coded(coding)
