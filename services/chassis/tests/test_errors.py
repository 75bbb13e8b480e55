"""What a callee raises is what its caller catches."""

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

from chassis.config import Settings
from chassis.errors import CODES, DETAILS_KEY, Reason, RunestoneError, from_message, from_rpc, to_message, to_status
from chassis.testing import running
from runestone.cache.v1.cache_pb2 import LookUpRequest
from runestone.cache.v1.cache_pb2_grpc import CacheServiceStub
from runestone.common.v1 import error_pb2
from runestone.provider.v1.provider_pb2 import CallRequest, CallResponse
from runestone.provider.v1.provider_pb2_grpc import ProviderServiceStub

FIELDS = ("reason", "message", "retry_after", "param", "code", "upstream_status")
errors = st.builds(
    RunestoneError,
    st.sampled_from(Reason),
    st.text(min_size=1, max_size=200),  # an error without words gets its code's name
    retry_after=st.none() | st.integers(0, 86_400_000).map(lambda ms: ms / 1000),
    param=st.text(max_size=50),
    code=st.text(max_size=50),
    upstream_status=st.just(0) | st.integers(100, 599),
)


def facts_of(error: RunestoneError) -> dict:
    facts = {name: getattr(error, name) for name in FIELDS}
    return {**facts, "retry_after": error.retry_after and pytest.approx(error.retry_after, abs=1e-6)}


def as_failure(status: Status) -> grpc.aio.AioRpcError:
    trailing = grpc.aio.Metadata((DETAILS_KEY, status.SerializeToString()))
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details=status.message)


def test_reasons_are_those_of_the_proto():
    """Neither side has a reason that the other cannot say."""
    in_proto = {name.removeprefix("ERROR_REASON_") for name in error_pb2.ErrorReason.keys()}  # noqa: SIM118  not a dict
    assert in_proto == {reason.value for reason in Reason} | {"UNSPECIFIED"}


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_code_and_a_number(reason):
    assert CODES[reason] is not grpc.StatusCode.OK
    assert Reason.of_number(reason.number) is reason


@pytest.mark.parametrize("number", [0, 9_999])
def test_a_number_that_nobody_knows_is_internal(number):
    assert Reason.of_number(number) is Reason.INTERNAL


@given(errors)
def test_an_error_survives_as_a_status(error):
    assert facts_of(from_rpc(as_failure(to_status(error)))) == facts_of(error)


@given(errors)
def test_an_error_survives_as_data(error):
    assert facts_of(from_message(to_message(error))) == facts_of(error)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_a_foreign_status_has_a_reason_whose_code_means_the_same(code):
    """A peer that is not ours sends no ErrorInfo: its code decides, and what we cannot place is INTERNAL."""
    failure = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="words")
    error = from_rpc(failure)
    assert error.message == "words"
    assert error.reason is Reason.INTERNAL or CODES[error.reason] is code


def test_an_error_info_of_another_domain_is_not_believed():
    status = Status(code=5, message="no such row")
    status.details.add().Pack(ErrorInfo(reason="RATE_LIMITED", domain="example.com"))
    assert from_rpc(as_failure(status)).reason is Reason.NOT_FOUND


@pytest.mark.parametrize("reason", Reason)
async def test_a_caller_catches_what_the_callee_raised(reason, scripted):
    """Over a real server and a real channel, with everything the error says."""
    raised = RunestoneError(
        reason, "wörds", retry_after=1.25, param="messages[2]", code="rate_limit_exceeded", upstream_status=429
    )

    async def refuse(request, context):
        raise raised

    async with running(scripted(look_up=refuse), Settings()) as (_, channel):
        with pytest.raises(RunestoneError) as caught:
            await CacheServiceStub(channel).LookUp(LookUpRequest())
    assert facts_of(caught.value) == facts_of(raised)


async def test_a_stream_fails_with_what_was_raised_after_what_was_said(scripted):
    async def say_one_then_fail(request, context):
        yield CallResponse()
        raise RunestoneError(Reason.EVENTS_LOST, "fell behind")

    async with running(scripted(call=say_one_then_fail), Settings()) as (_, channel):
        responses = ProviderServiceStub(channel).Call(CallRequest())
        assert await anext(responses) == CallResponse()
        with pytest.raises(RunestoneError, match="fell behind") as caught:
            await anext(responses)
    assert caught.value.reason is Reason.EVENTS_LOST


async def test_an_unexpected_error_is_internal_and_keeps_its_text_to_itself(scripted):
    """What a bug says may hold anything; the caller learns only where to look."""

    async def crash(request, context):
        raise ValueError("sk-secret in a bug")

    async with running(scripted(look_up=crash), Settings()) as (_, channel):
        with pytest.raises(RunestoneError) as caught:
            await CacheServiceStub(channel).LookUp(LookUpRequest())
    assert caught.value.reason is Reason.INTERNAL
    assert "sk-secret" not in str(caught.value) + repr(caught.value.__cause__)


async def test_a_method_that_the_service_lacks_is_unimplemented(scripted):
    """An rpc of a newer version, asked of an older service."""
    async with running(scripted(), Settings()) as (_, channel):
        with pytest.raises(RunestoneError) as caught:
            await channel.unary_unary("/runestone.cache.v1.CacheService/Newer", bytes, bytes)(b"")
    assert caught.value.reason is Reason.UNIMPLEMENTED


async def test_a_peer_that_is_not_there_is_unavailable(scripted, tmp_path):
    async def ask_nobody(request, context):
        return await CacheServiceStub(runtime.connect("nobody")).LookUp(request)

    peers = {"nobody": f"unix:{tmp_path}/nobody.sock"}
    async with running(scripted(look_up=ask_nobody), Settings(), peers=peers) as (runtime, channel):
        with pytest.raises(RunestoneError) as caught:
            await CacheServiceStub(channel).LookUp(LookUpRequest())
    assert caught.value.reason is Reason.UNAVAILABLE
