//! A process for tests: it sleeps until it is dropped.

use std::process::{Child, Command};

#[derive(Debug)]
pub(super) struct Sleeper(Child);

impl Sleeper {
    pub(super) fn new() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    #[expect(clippy::disallowed_methods, reason = "it is the test's own child, of which no spawner knows")]
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
