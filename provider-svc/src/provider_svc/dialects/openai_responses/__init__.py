"""OpenAI's Responses: the dialect whose answers tell what a model thought, and take it back sealed."""

from provider_svc.dialects.dialect import Dialect
from provider_svc.dialects.openai_responses.answer_reader import ResponsesReader
from provider_svc.dialects.openai_responses.answer_writer import ResponsesWriter
from provider_svc.dialects.openai_responses.document import write_document
from provider_svc.dialects.openai_responses.prompt_reader import read_prompt
from provider_svc.dialects.openai_responses.prompt_writer import write_prompt

DIALECT = Dialect(
    read_prompt=read_prompt,
    write_prompt=write_prompt,
    open_reader=ResponsesReader,
    open_writer=ResponsesWriter,
    write_document=write_document,
)
