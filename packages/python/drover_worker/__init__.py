"""A worker's side of drover.v1. The protocol is told in docs/reference/protocol.md of Drover.

    starting ──started()──► started ──Stop──► stopping ──► stopped ──Quit──► leaving ──► exit
                               ▲──── started() ◄── Resume ────┘

Here is what asyncio needs; `drover_worker.threads` is the same for programs with threads, `python -m drover_worker` for programs that
know nothing of Drover, and `drover_worker.control` asks a master as `drover status` does.
"""

from .bus import MessageBus, serve
from .conversation import Message, Published
from .frames import ALL, APP, SLOT, SUBSCRIBERS, WORKER, BusError, NotAFrame
from .master import Identity
from .version import __version__

__all__ = [
    "ALL",
    "APP",
    "SLOT",
    "SUBSCRIBERS",
    "WORKER",
    "BusError",
    "Identity",
    "Message",
    "MessageBus",
    "NotAFrame",
    "Published",
    "__version__",
    "serve",
]
