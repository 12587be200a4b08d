//! Which rules can be broken, one at a time.

/// Each vice, as it is typed.
pub(crate) const VICES: &[&str] = &[
    // The handshake.
    "says pid 1",
    "says Started before Welcome",
    "hides why it was refused",
    "calls a refusal a success",
    "takes any version",
    "tells its token",
    // Frames.
    "has a limit of its own",
    "ignores the unknown",
    "goes on without understanding",
    "answers an Error",
    "aborts",
    "counts in doubles",
    "impatient",
    // Its life.
    "says Started twice",
    "says Started after an early Stop",
    "leaves when it is stopped",
    "leaves at a second Stop",
    "fails after ShutDown",
    "resumes unasked",
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
    "is silent on unknown topics",
    "never makes room",
    "counts headers as room",
    "counts payloads as room",
    "asks without a number",
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
