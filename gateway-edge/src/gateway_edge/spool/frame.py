"""Records as frames of an append-only file: length, CRC-32, payload. Pure.

A frame is a 32-bit big-endian length of the payload, a 32-bit big-endian CRC-32 over length and payload, the payload. The
CRC covers the length, and no payload is empty, so that zeros which a file system left at the end are no frame.
"""

import struct
import zlib
from dataclasses import dataclass

_LENGTH, _HEAD = struct.Struct(">I"), struct.Struct(">II")


@dataclass(frozen=True, slots=True)
class Frames:
    """Payloads in their order, and the offset behind the last one.

    `is_damaged`: what stands at `end` is a torn or corrupted frame, and nothing behind it can be read.
    """

    payloads: tuple[bytes, ...]
    end: int
    is_damaged: bool = False


def write_frame(payload: bytes) -> bytes:
    """The frame of one payload. Raises ValueError for an empty one."""
    if not payload:
        raise ValueError("an empty record cannot be told from the zeros of a damaged file")
    return _HEAD.pack(len(payload), _checksum(payload)) + payload


def read_frames(data: bytes, *, max_records: int, max_bytes: int) -> Frames:
    """The payloads of the frames at the beginning of `data`.

    It stops at the end, at damage, at `max_records` or before `max_bytes` of frames would be exceeded; but one frame is
    read whatever its size.
    """
    payloads: list[bytes] = []
    end = 0
    while end < len(data) and len(payloads) < max_records:
        payload = _read_payload(data, end)
        if payload is None:
            return Frames(tuple(payloads), end, is_damaged=True)
        behind = end + _HEAD.size + len(payload)
        if payloads and behind > max_bytes:
            break
        payloads.append(payload)
        end = behind
    return Frames(tuple(payloads), end)


def _read_payload(data: bytes, start: int) -> bytes | None:
    """The payload of the frame at `start`; None when the frame is torn or its checksum does not hold."""
    begin = start + _HEAD.size
    if begin > len(data):
        return None
    length, checksum = _HEAD.unpack_from(data, start)
    payload = data[begin : begin + length]
    return payload if 0 < length == len(payload) and checksum == _checksum(payload) else None


def _checksum(payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_LENGTH.pack(len(payload))))
