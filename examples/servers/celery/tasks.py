import os
import socket
import time

import redis
from celery import Celery
from celery.signals import worker_ready

app = Celery("tasks", broker="redis://127.0.0.1:6379/0")
done = redis.Redis("127.0.0.1", 6379, 1)


@app.task
def job(number):
    """Takes a while, and leaves a mark each time that it is run."""
    time.sleep(0.05)
    done.rpush("done", number)


@worker_ready.connect
def is_ready(**_):
    """Says so to who has started it, as sd_notify(3) does."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(address)
            notify.sendall(b"READY=1")
