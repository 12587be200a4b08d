import os
import time

from flask import Flask, request

WORKER = f"{os.getpid()} {os.environ['DROVER_GENERATION']}"

app = Flask(__name__)


@app.get("/echo")
def echo():
    """Says back `text`, after `ms` milliseconds."""
    time.sleep(int(request.args.get("ms", 0)) / 1000)
    return request.args.get("text", "hello"), {"X-Worker": WORKER, "Content-Type": "text/plain"}
