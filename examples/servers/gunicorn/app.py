import os
import time
from urllib.parse import parse_qs

WORKER = f"{os.getpid()} {os.environ['DROVER_GENERATION']}"


def app(environ, start_response):
    """Says back `text`, after `ms` milliseconds."""
    query = parse_qs(environ["QUERY_STRING"])
    time.sleep(int(query.get("ms", ["0"])[0]) / 1000)
    body = query.get("text", ["hello"])[0].encode()
    headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), ("X-Worker", WORKER)]
    start_response("200 OK", headers)
    return [body]
