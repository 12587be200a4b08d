//! `drover completion`: a script for a shell, made from the arguments themselves.

use clap::CommandFactory;

use crate::args::{Cli, CompletionArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) fn run(args: &CompletionArgs) -> ExitStatus {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut without_hidden_verbs(Cli::command()), "drover", &mut script);
    // A reader that has gone has seen enough.
    let _ = message::result(&String::from_utf8_lossy(&script));
    ExitStatus::Done
}

/// A script offers every verb it knows of, also those that nobody is to type.
fn without_hidden_verbs(whole: clap::Command) -> clap::Command {
    let shown: Vec<clap::Command> =
        whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned().collect();
    let bare = clap::Command::new("drover").disable_help_subcommand(true).version(env!("CARGO_PKG_VERSION"));
    bare.args(whole.get_arguments().cloned()).subcommands(shown)
}
