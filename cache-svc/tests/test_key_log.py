"""Names of what is kept: all of them, then what is stored, and no queue for who is slow."""

import asyncio
from contextlib import aclosing

import pytest

from cache_svc.key_log import LETTER, KeyLog, name_of
from chassis.errors import Reason, RunestoneError

KEYS = [number.to_bytes(8) * 4 for number in range(20)]


async def test_all_that_is_kept_is_named_first_then_what_is_stored():
    log = KeyLog(set(KEYS[:3]), pace=0)
    async with aclosing(log.follow(20.0)) as letters:
        names, is_complete = await anext(letters)
        assert (set(names), is_complete) == ({0, 1, 2}, True)
        log.add(KEYS[7])
        heard = []
        while 7 not in heard:
            heard += (await anext(letters))[0]
    assert name_of(KEYS[7]) == 7


async def test_what_is_stored_while_the_first_names_are_read_is_not_missed():
    log = KeyLog([number.to_bytes(32) for number in range(LETTER + 1)], pace=0)
    async with aclosing(log.follow(20.0)) as letters:
        _, is_complete = await anext(letters)
        assert not is_complete
        log.add(KEYS[9])
        heard = [await anext(letters) for _ in range(2)]
    assert heard[0][1] and 9 in heard[1][0]


async def test_who_is_too_slow_has_to_begin_anew():
    log = KeyLog([], kept=5, pace=0)
    async with aclosing(log.follow(20.0)) as letters:
        await anext(letters)
        for key in KEYS:
            log.add(key)
        assert [letter async for letter in letters] == []


async def test_something_comes_while_nothing_is_stored(monkeypatch):
    monkeypatch.setattr("cache_svc.key_log.HEARTBEAT", 0.01)
    async with asyncio.timeout(10), aclosing(KeyLog([]).follow(20.0)) as letters:
        assert [await anext(letters) for _ in range(3)] == [([], True)] * 3


async def test_too_many_are_not_named(monkeypatch):
    monkeypatch.setattr("cache_svc.key_log.MOST", 2)
    with pytest.raises(RunestoneError) as refusal:
        await anext(KeyLog(KEYS).follow(20.0))
    assert refusal.value.reason is Reason.UNIMPLEMENTED
