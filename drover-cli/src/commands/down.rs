//! `drover down`: the graceful end of everything.

use super::interrupt::Interrupt;
use super::{find, patience, refusal::report};
use crate::args::{DownArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) async fn run(global: &Global, args: &DownArgs) -> ExitStatus {
    let mut client = match find::connect(global).await {
        Ok(client) => client,
        Err(status) => return status,
    };
    let mut interrupt = Interrupt::new();
    let down = client.down(args.now);
    tokio::select! {
        done = down => match done {
            Ok(how) => {
                if !global.quiet {
                    message::note(&how);
                }
                ExitStatus::Done
            }
            Err(error) => report(&error),
        },
        () = patience::tell(global, |_| true) => ExitStatus::Done,
        () = interrupt.pressed() => {
            message::note("interrupted; the shutdown continues");
            ExitStatus::Interrupted
        }
    }
}
