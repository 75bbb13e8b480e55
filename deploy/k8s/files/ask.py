"""What `helm test` runs in a pod of its own: questions through the front, as a client asks them. Nothing but Python's own library.

With a key: the models, a whole answer and a streamed one. Without: whether the front and an edge behind it refuse who has no key.
"""

import http.client
import json
import os
import ssl
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

URL = urlsplit(os.environ["RUNESTONE_TEST_URL"])
SERVER_NAME = os.environ.get("RUNESTONE_TEST_SERVER_NAME") or URL.hostname
CA = Path(os.environ.get("RUNESTONE_TEST_CA", ""))
KEY = os.environ.get("RUNESTONE_TEST_KEY", "")
MODEL = os.environ.get("RUNESTONE_TEST_MODEL", "simulated")
TIMEOUT = 60  # seconds for one answer
TRIES = 10  # of the first question, a second apart: Endpoints of new pods may still be on their way


class NamedConnection(http.client.HTTPSConnection):
    """Connects to the Service, and expects the certificate of the name that clients use."""

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(self.sock, server_hostname=SERVER_NAME)


def connect() -> http.client.HTTPConnection:
    """A new connection to the front."""
    if URL.scheme == "http":
        return http.client.HTTPConnection(URL.hostname, URL.port, timeout=TIMEOUT)
    context = ssl.create_default_context(cafile=str(CA) if CA.is_file() else None)
    return NamedConnection(URL.hostname, URL.port, timeout=TIMEOUT, context=context)


def ask(method: str, path: str, question: object = None) -> tuple[int, str]:
    """The status and the body."""
    connection = connect()
    try:
        headers = {"Host": SERVER_NAME, "Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {KEY}"} if KEY else {}
        connection.request(method, path, json.dumps(question) if question else None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def expect(what: str, holds: object, seen: object) -> None:
    """Says what was seen, and stops with exit code 1 when it is not what was expected."""
    print(f"{'ok' if holds else 'FAILED'}: {what}" + ("" if holds else f": {seen}"), flush=True)
    if not holds:
        sys.exit(1)


def ask_first() -> tuple[int, str]:
    """The models, asked again while nobody is there yet."""
    for left in reversed(range(TRIES)):
        try:
            status, body = ask("GET", "/v1/models")
        except OSError as error:
            if not left:
                raise
            print(f"waiting: {error}", flush=True)
        else:
            if status != http.client.SERVICE_UNAVAILABLE or not left:
                return status, body
        time.sleep(1)
    raise AssertionError


def main() -> None:
    """Asks, and exits 1 at the first answer that is not as it should be."""
    status, body = ask_first()
    if not KEY:
        expect("who has no key is refused by the edge", status == http.client.UNAUTHORIZED, (status, body))
        return
    expect("the models are listed", status == http.client.OK and json.loads(body)["data"], (status, body))

    question = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    status, body = ask("POST", "/v1/chat/completions", question)
    expect("a question is answered", status == http.client.OK and json.loads(body)["choices"], (status, body))

    status, body = ask("POST", "/v1/chat/completions", {**question, "stream": True})
    is_whole = body.rstrip().endswith("data: [DONE]")
    expect("a streamed answer comes to its end", status == http.client.OK and is_whole, (status, body))


if __name__ == "__main__":
    main()
