"""Any mix of calls: each gets what it would have got alone."""

import asyncio

import orjson
from batching.stage import BAD, EMBEDDINGS, MODERATIONS, Fake, SkippingLoop, ask_all, call_of, open_batching, vector
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = st.one_of(st.text(min_size=1, max_size=8), st.just(BAD), st.sampled_from(['"', "\\", "\u2028", "x" * 300]))
TOKENS = st.lists(st.integers(0, 1 << 17), min_size=1, max_size=4)
INPUTS = st.one_of(TEXTS, TOKENS, st.lists(TEXTS, min_size=1, max_size=3), st.lists(TOKENS, min_size=1, max_size=2))
OPTIONS = st.fixed_dictionaries({}, optional={"user": st.sampled_from("ab"), "dimensions": st.just(3)})
CALLS = st.lists(
    st.one_of(
        st.builds(lambda given, options: (given, EMBEDDINGS, options), INPUTS, OPTIONS),
        st.builds(lambda given, options: (given, MODERATIONS, options), TEXTS, OPTIONS),
    ),
    max_size=12,
)


def without_usage(answer):
    """A document but for what was used, or what a refusal says."""
    if isinstance(answer, BaseException):
        return answer.reason, answer.message, answer.param, answer.upstream_status
    return {name: value for name, value in orjson.loads(answer).items() if name != "usage"}


async def compare(asked, max_items):
    batching, fake = open_batching(max_items)
    together, alone = ([call_of(given, dialect=dialect, **rest) for given, dialect, rest in asked] for _ in range(2))
    answers = await ask_all(batching, together)
    expected = await ask_all(Fake(), alone)
    assert list(map(without_usage, answers)) == list(map(without_usage, expected))
    for (one, dialect, _), answer in zip(asked, answers, strict=True):
        if isinstance(answer, bytes) and dialect == EMBEDDINGS and isinstance(one, str):
            assert vector(one) in answer
    counted = [sum(call.meter.usage.input_tokens for call in calls if call.meter.usage) for calls in (together, alone)]
    assert counted[0] == counted[1]
    assert len(fake.asked) <= 2 * len(asked)
    await batching.close()


@settings(max_examples=150, deadline=None)
@given(CALLS, st.integers(2, 5))
def test_any_mix_of_calls_gets_what_each_would_have_got_alone_and_the_usage_adds_up(asked, max_items):
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(compare(asked, max_items))
