"""gunicorn's arbiter says READY=1 before it has a worker, and a SIGTERM that comes while it forks one is lost: it then kills that
worker in the middle of its requests, after --graceful-timeout. So the arbiter says nothing here, and its worker does."""
import os
import socket

ADDRESS = os.environ.pop("NOTIFY_SOCKET", None)


def post_worker_init(worker):
    """The worker has its signal handlers and the app."""
    if ADDRESS:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(ADDRESS)
            notify.sendall(b"READY=1\nSTATUS=its worker is up")
