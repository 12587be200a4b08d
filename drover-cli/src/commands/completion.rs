//! `drover completion`: a script for a shell, made from the arguments themselves.

use clap::{ArgGroup, Command, CommandFactory};

use crate::args::{Cli, CompletionArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;

pub(super) fn run(args: &CompletionArgs) -> ExitStatus {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut without_what_is_hidden(&Cli::command()), "drover", &mut script);
    message::whole_result(&String::from_utf8_lossy(&script))
}

/// A script offers all that there is, also verbs and options that nobody is to type.
fn without_what_is_hidden(whole: &Command) -> Command {
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set());
    let shown = || whole.get_arguments().filter(|option| !option.is_hide_set());
    let group = |group: &ArgGroup| {
        let left = group.get_args().filter(|id| shown().any(|option| option.get_id() == *id));
        ArgGroup::new(group.get_id().clone()).args(left.cloned()).multiple(true)
    };
    Command::new(whole.get_name().to_owned())
        .about(whole.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .visible_aliases(whole.get_visible_aliases().map(str::to_owned))
        .args(shown().cloned())
        .groups(whole.get_groups().map(group))
        .subcommands(verbs.map(without_what_is_hidden))
}
