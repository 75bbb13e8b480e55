"""The yardstick: plain Python on plain asyncio answering one JSON question after another. Run with a port.

How much CPU it takes says how fast this machine is at this moment, at work of the gateway's kind. It is not to be made
faster: every figure that landed is a ratio to it.
"""

import asyncio
import json
import sys

CONTENT = " word" * 75
TURNS = 10  # decodings an answer, so that the interpreter's work outweighs the kernel's


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: each question is decoded, some of it kept, and encoded again."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2])
            body = await reader.readexactly(int(headers["content-length"]))
            documents = [json.loads(body) for _ in range(TURNS)]
            message = {"role": "assistant", "content": CONTENT, "asked": len(documents[-1]["messages"])}
            encoded = json.dumps({"model": documents[0]["model"], "choices": [{"message": message}]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(encoded), encoded))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    """Listens until the process is ended."""
    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=256)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
