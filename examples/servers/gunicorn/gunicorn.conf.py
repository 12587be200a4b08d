"""gunicorn's arbiter says READY=1 before it has a worker, and a SIGTERM that comes while it forks one is lost: it then kills that
worker in the middle of its requests, after --graceful-timeout. So the arbiter says nothing here, and its worker does.

At SIGTERM gunicorn closes kept connections that are idle, though a request may be on its way on each. So for a second before that the other
workers take the new connections, and answers say `Connection: close`."""
import os
import signal
import socket
import threading

ADDRESS = os.environ.pop("NOTIFY_SOCKET", None)


def post_worker_init(worker):
    """The worker has its signal handlers and the app. It is one with threads (`--threads`)."""
    stop = signal.getsignal(signal.SIGTERM)

    def drain(signum, frame):
        signal.signal(signal.SIGTERM, stop)
        worker.max_keepalived = 0
        for listener in worker.sockets:
            worker.poller.unregister(listener)
        threading.Timer(1, stop, (signum, frame)).start()

    signal.signal(signal.SIGTERM, drain)
    if ADDRESS:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(ADDRESS)
            notify.sendall(b"READY=1\nSTATUS=its worker is up")
