"""Calls as routing sees them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chassis.routing.facts import Facts


@pytest.fixture
def facts() -> Callable[..., Facts]:
    """Makes the facts of a call with a document, and what else the test says."""

    def make(document: dict[str, Any] | None = None, **known: Any) -> Facts:
        document = document or {}
        usual: dict[str, Any] = {
            "model": "fast",
            "tenant": "acme",
            "key": "ci",
            "call_id": "call-1",
            "endpoint": "/v1/chat/completions",
            "body": json.dumps(document).encode(),
            "read_document": lambda: document,
        }
        return Facts(**(usual | known))

    return make
