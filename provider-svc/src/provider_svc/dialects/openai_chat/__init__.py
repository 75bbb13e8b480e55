"""OpenAI's Chat Completions as a dialect, and what its imitators made of it."""

from provider_svc.dialects.dialect import Dialect
from provider_svc.dialects.openai_chat.answer_reader import AnswerReader
from provider_svc.dialects.openai_chat.answer_writer import AnswerWriter
from provider_svc.dialects.openai_chat.document import write_document
from provider_svc.dialects.openai_chat.prompt_reader import read_prompt
from provider_svc.dialects.openai_chat.prompt_writer import write_prompt

DIALECT = Dialect(
    read_prompt=read_prompt,
    write_prompt=write_prompt,
    open_reader=AnswerReader,
    open_writer=AnswerWriter,
    write_document=write_document,
    has_custom_tools=False,  # OpenAI alone has them there, and is asked in Responses where it speaks both
)
