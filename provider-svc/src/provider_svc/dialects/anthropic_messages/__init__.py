"""Anthropic's Messages API (`POST /v1/messages`) as one of the dialects of conversations."""

from provider_svc.dialects.anthropic_messages.answer_reader import Reader
from provider_svc.dialects.anthropic_messages.answer_writer import Writer
from provider_svc.dialects.anthropic_messages.document import write_document
from provider_svc.dialects.anthropic_messages.prompt_reader import read_prompt
from provider_svc.dialects.anthropic_messages.prompt_writer import write_prompt
from provider_svc.dialects.dialect import Dialect

DIALECT = Dialect(
    read_prompt=read_prompt,
    write_prompt=write_prompt,
    open_reader=Reader,
    open_writer=Writer,
    write_document=write_document,
    has_custom_tools=False,
)
