//! Which rules can be broken, one at a time.

/// Each vice, as it is typed.
pub(crate) const VICES: &[&str] = &[
    // The handshake.
    "speaks version 2 alone",
    "keeps its token to itself",
    "says pid 1",
    "says Started before Welcome",
    "hides why it was refused",
    "hides a reason of an unknown kind",
    "calls a refusal a success",
    "calls the end a success",
    "knocks for ever",
    "takes any version",
    "tells its token",
    // Frames.
    "takes a read for a frame",
    "drops what follows a frame in a read",
    "waits for the rest for ever",
    "has little room",
    "goes on after what is not a frame",
    "has a limit of its own",
    "takes an empty frame for the end",
    "answers what asks nothing",
    "ignores the unknown",
    "goes on without understanding",
    "bears no unknown field",
    "leaves at an Error",
    "leaves at an unknown code",
    "refuses unknown capabilities",
    "answers an Error",
    "aborts",
    "counts in doubles",
    "counts in signed numbers",
    "counts in 32 bits",
    "expects numbers in order",
    "is silent without a number",
    "answers twice",
    "impatient",
    // Its life.
    "says Started twice",
    "says Started after an early Stop",
    "leaves when it is stopped",
    "leaves at a second Stop",
    "is silent at a second Stop",
    "fails after ShutDown",
    "resumes unasked",
    "ignores Quit while it stops",
    "ignores Quit once it has resumed",
    "takes a large deadline for a past one",
    "takes no time for all the time",
    "extends for ever at Stop",
    "extends for ever at Quit",
    "ignores SIGTERM",
    "drains where it reads",
    "answers no Ping by its number",
    "forgets Pings",
    // The end of its master.
    "waits for the other to close",
    "fails without a master",
    "outlives its master",
    "waits for its clients without a master",
    // A lost connection.
    "does not say Started again",
    "comes back as somebody else",
    "cuts requests off when its connection is lost",
    "says Stopped at a Stop that comes again",
    "is silent at a Stop that comes again",
    "knocks without a pause",
    "waits half a second for its Welcome",
    "knocks after a refusal",
    "waits for its Welcome for ever",
    "forgets its subscriptions",
    "answers those who are gone",
    // Its socket.
    "never accepts",
    "accepts after Stop",
    "shuts its socket down",
    "has a backlog of one",
    "accepts nobody after Resume",
    "cuts requests off at Stop",
    "cuts requests off at Quit",
    "cuts requests off without a master",
    "ignores LISTEN_PID",
    // Messages.
    "replies with nothing",
    "hides its failures",
    "is silent on unknown topics",
    "cuts what is large",
    "is silent on nothing",
    "attends to a hundred",
    "answers what nobody asked",
    "bears no empty topic",
    "sends to everybody",
    "subscribes to all",
    "asks without a number",
    "keeps refusals to itself",
    "never makes room",
    "counts headers as room",
    "counts payloads as room",
    "sends without a bus",
];

/// The rule that is broken; none: it is a good worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vice(Option<&'static str>);

impl Vice {
    pub(crate) fn named(name: &str) -> Self {
        if name.is_empty() {
            return Self(None);
        }
        let known = VICES.iter().find(|vice| **vice == name);
        Self(Some(known.unwrap_or_else(|| panic!("there is no vice `{name}`"))))
    }

    /// # Panics
    ///
    /// If there is no such vice: a misspelt one would break nothing.
    pub(crate) fn is(self, vice: &str) -> bool {
        debug_assert!(VICES.contains(&vice), "there is no vice `{vice}`");
        self.0 == Some(vice)
    }
}
