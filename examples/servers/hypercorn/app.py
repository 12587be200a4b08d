import asyncio
import os
from urllib.parse import parse_qs

WORKER = f"{os.getpid()} {os.environ['DROVER_GENERATION']}".encode()


async def app(scope, receive, send):
    """Says back `text`, after `ms` milliseconds."""
    if scope["type"] != "http":
        return
    query = parse_qs(scope["query_string"].decode())
    await asyncio.sleep(int(query.get("ms", ["0"])[0]) / 1000)
    body = query.get("text", ["hello"])[0].encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode()), (b"x-worker", WORKER)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
