//! `drover top`: what workers use, again and again.

use std::collections::HashMap;
use std::fs;
use std::io::{self, IsTerminal};
use std::time::Duration;

use drover_proto::latest::StatusReply;
use tokio::time::Instant;

use super::interrupt::Interrupt;
use super::{find, refusal::report};
use crate::args::{Global, TopArgs};
use crate::exit_status::ExitStatus;
use crate::output::{message, table};

/// Moves the cursor home and clears to the end of the screen (ECMA-48 CUP, ED).
const HOME_AND_CLEAR: &str = "\x1b[H\x1b[J";

/// Between two looks, as top(1) has it, and before the first table: use is a difference.
const REFRESH: Duration = Duration::from_secs(2);
const FIRST: Duration = Duration::from_millis(300);

/// Ticks of `proc_pid_stat(5)` in a second: USER_HZ, which is 100 on every architecture that Linux has today.
const TICKS: f64 = 100.0;

/// On a terminal until interrupted; else one table.
pub(super) async fn run(global: &Global, args: &TopArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let is_live = io::stdout().is_terminal();
    let mut interrupt = Interrupt::new();
    let mut before = Sample::default();
    let mut pause = FIRST;
    loop {
        let reply = match client.status(&args.apps).await {
            Ok(reply) => reply,
            Err(error) => return report(&error),
        };
        let sample = Sample::of(&reply);
        if before.at.is_some() {
            let text = table::usage(&reply, |pid| sample.usage_since(&before, pid));
            let shown = message::result(&if is_live { format!("{HOME_AND_CLEAR}{text}") } else { text });
            if shown.is_err() || !is_live {
                return message::written(shown);
            }
            pause = REFRESH;
        }
        before = sample;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = interrupt.pressed() => return ExitStatus::Done,
        }
    }
}

/// What processes had used at a moment: CPU in ticks, and memory in bytes.
#[derive(Debug, Default)]
struct Sample {
    at: Option<Instant>,
    used: HashMap<u32, (u64, u64)>,
}

impl Sample {
    fn of(reply: &StatusReply) -> Self {
        let pids = reply.apps.iter().flat_map(|app| &app.workers).map(|worker| worker.pid);
        let used = pids.filter(|pid| *pid != 0).filter_map(|pid| Some((pid, used(pid)?))).collect();
        Self { at: Some(Instant::now()), used }
    }

    /// The part of a CPU that a process used since, in percent, and its memory.
    fn usage_since(&self, before: &Self, pid: u32) -> Option<(f64, u64)> {
        let (ticks, memory) = *self.used.get(&pid)?;
        let earlier = before.used.get(&pid).map_or(ticks, |(ticks, _)| *ticks);
        let passed = self.at?.duration_since(before.at?).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred ticks")]
        let percent = ticks.saturating_sub(earlier) as f64 / TICKS / passed * 100.0;
        Some((percent, memory))
    }
}

/// `proc_pid_stat(5)`: utime and stime are fields 14 and 15, rss, in pages, is field 24; the second, a name, may have spaces.
fn used(pid: u32) -> Option<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some((field(14)? + field(15)?, field(24)? * page_size()))
}

/// The kernel tells it with every mapping (`proc_pid_smaps(5)`).
fn page_size() -> u64 {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let line = smaps.lines().find_map(|line| line.strip_prefix("KernelPageSize:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(4) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_use_of_this_process_is_known() {
        let (_, memory) = used(std::process::id()).unwrap();
        assert!(memory > 100 * 1024, "{memory}");
    }
}
