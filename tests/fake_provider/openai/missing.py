"""A path that nobody has."""

from fake_provider.dialect import Dialect
from fake_provider.exchange import Exchange
from fake_provider.openai import errors
from fake_provider.refusal import Refusal


def document(exchange: Exchange) -> bytes:
    raise Refusal(f"Invalid URL ({exchange.method} {exchange.path})", status=404)


DIALECT = Dialect(
    name="missing",
    request_id=errors.REQUEST_ID,
    error=errors.error,
    error_event=errors.error_event,
    document=document,
)
