//! `drover top`: the live view; or a table of what workers use, where there is no terminal for more.

use std::io::{self, IsTerminal};
use std::time::Duration;

use drover_master::control::ControlClient;

use super::interrupt::Interrupt;
use super::{find, refusal::report};
use crate::args::{Global, TopArgs};
use crate::exit_status::ExitStatus;
use crate::output::{message, table};
use crate::usage::Sample;

/// Moves the cursor home and clears to the end of the screen (ECMA-48 CUP, ED).
const HOME_AND_CLEAR: &str = "\x1b[H\x1b[J";

/// Between two looks, as top(1) has it, and before the first table: use is a difference.
const REFRESH: Duration = Duration::from_secs(2);
const FIRST: Duration = Duration::from_millis(300);

/// The live view on a terminal that can show it; else the table.
pub(super) async fn run(global: &Global, args: &TopArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    // Names that do not exist are told before the screen is taken.
    if let Err(error) = client.status(&args.apps).await {
        return report(&error);
    }
    #[cfg(feature = "tui")]
    if let Some(terminal) = crate::top::Terminal::open() {
        let path = match find::locate(global).await {
            Ok(path) => path,
            Err(status) => return status,
        };
        return crate::top::run(terminal, path, args).await;
    }
    refresh(client, args).await
}

/// On a terminal until interrupted; else one table.
async fn refresh(mut client: ControlClient, args: &TopArgs) -> ExitStatus {
    let is_live = io::stdout().is_terminal() && !message::is_dumb();
    let mut interrupt = Interrupt::new();
    let mut before = Sample::default();
    let mut pause = FIRST;
    loop {
        let reply = match client.status(&args.apps).await {
            Ok(reply) => reply,
            Err(error) => return report(&error),
        };
        let sample = Sample::of(reply.apps.iter().flat_map(|app| &app.workers).map(|worker| worker.pid));
        if before.is_there() {
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
