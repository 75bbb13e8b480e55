"""Streams of images and of audio: events that say their type, of which the last ones tell what was used."""

from functools import partial

from provider_svc.documents import read_answered
from provider_svc.openai.response import note_counts, raise_error
from provider_svc.openai.schema import decode_media
from provider_svc.provider import Meter, UpstreamCall
from provider_svc.relay import Fate, TypedWatcher

# Of several images each is completed by itself: such a stream ends where its body does.
FATES = {
    "image_generation.completed": Fate.MAY_END,
    "image_edit.completed": Fate.MAY_END,
    "transcript.text.done": Fate.IS_OVER,
    "speech.audio.done": Fate.IS_OVER,
}


def watch_media(call: UpstreamCall) -> TypedWatcher:
    """Watches a stream."""
    return TypedWatcher(partial(read_event, meter=call.meter))


def read_event(data: bytes, meter: Meter) -> Fate:
    """Meters one event. Raises PROVIDER_INVALID_ANSWER for what is none, and what an error in it says."""
    event = read_answered(decode_media, data, within="stream")
    raise_error(event.error, data)
    note_counts(event, meter)
    return FATES.get(event.type, Fate.GOES_ON)
