"""Where a worker is in its life: what the master may ask of it, and what it owes."""

from typing import Optional

# In which states what may be said; said in any other, it is too late, or not owed, and nothing is sent.
_SAID_WHILE = {"started": "starting", "stopped": "stopping", "shut_down": "leaving"}
_SAID = {"started": "started", "stopped": "stopped", "shut_down": "left"}
# In which states the master may ask for what.
_ASKED_WHILE = {
    "stop": ("starting", "started"),
    "resume": ("stopped",),
    "quit": ("starting", "started", "stopping", "stopped"),
}
_ASKED = {"stop": "stopping", "resume": "starting", "quit": "leaving"}


class Life:
    """A state, and the seq of what the master has asked for last."""

    def __init__(self) -> None:
        self.state = "starting"
        self._asked = 0

    def ask(self, what: str, seq: int) -> bool:
        """The master asks for `what`; whether it may."""
        if self.state not in _ASKED_WHILE[what]:
            return False
        self.state, self._asked = _ASKED[what], seq
        return True

    def say(self, what: str) -> Optional[int]:
        """The worker says `what`: the seq that this answers, or None if it is not to be said any more."""
        if self.state != _SAID_WHILE[what]:
            return None
        self.state = _SAID[what]
        return self._asked

    def leave(self) -> None:
        """There is no master that could ask for it."""
        if self.state != "left":
            self.state = "leaving"

    @property
    def is_leaving(self) -> bool:
        """Whether the process is to end."""
        return self.state in ("leaving", "left")
