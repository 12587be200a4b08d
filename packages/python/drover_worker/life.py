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
# What answers it.
_ANSWER = {"stop": "stopped", "resume": "started", "quit": "shut_down"}


class Life:
    """A state, and the seq of what the master has asked for last."""

    def __init__(self) -> None:
        self.state = "starting"
        self._asked = 0
        self._last = ""  # what that was
        self._may_repeat = False

    def ask(self, what: str, seq: int) -> bool:
        """The master asks for `what`; whether it may."""
        if self.state not in _ASKED_WHILE[what]:
            return False
        self.state, self._asked = _ASKED[what], seq
        self._last, self._may_repeat = what, False
        return True

    def reconnected(self) -> None:
        """There is another connection: what the master has asked for last may come again."""
        self._may_repeat = True

    def repeats(self, what: str, seq: int) -> bool:
        """Whether the master asks for `what` only because there is another connection: then this seq is the one to answer."""
        if not self._may_repeat or what != self._last:
            return False
        self._asked, self._may_repeat = seq, False
        return True

    @property
    def answer(self) -> Optional[str]:
        """What the worker has said to what it was asked for last; None if it has still to say it, or was asked for nothing."""
        said = _ANSWER.get(self._last)
        return said if said and self.state == _SAID[said] else None

    @property
    def has_started_unasked(self) -> bool:
        """Whether it is started, and has never rested."""
        return self.state == "started" and not self._last

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
