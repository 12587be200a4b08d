"""`python -m drover_worker -- uvicorn app:app`: a program that knows nothing of Drover is a worker. Without a master it runs as it does alone.

README.md tells what a program may count on.
"""

import os
import sys
from typing import List

from .master import has_master


def main(words: List[str]) -> None:
    if words[:1] == ["--"]:
        words = words[1:]
    if not words or words[0].startswith("-") and words[0] != "-m":
        sys.exit("usage: python -m drover_worker [--] PROGRAM [ARGUMENT...]\n       python -m drover_worker [--] -m MODULE [ARGUMENT...]")
    from .hook.program import run

    env = dict(os.environ)
    if has_master(env):
        from .hook import worker

        listen_pid = env.get("LISTEN_PID")
        if int(env.get("LISTEN_FDS") or 0) and listen_pid != str(os.getpid()):
            worker.say(
                f"the master has started process {listen_pid}, and this is {os.getpid()}: its sockets do not come through a shell. "
                "Let drover.toml run python itself, or use exec"
            )
        else:
            try:
                worker.begin(env)
            except ValueError as error:
                sys.exit(f"drover_worker: {error}")
    run(words)


main(sys.argv[1:])
