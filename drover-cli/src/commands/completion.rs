//! `drover completion`: a script for a shell, made from the arguments themselves, and the names that it asks for.

use std::path::Path;
use std::time::Duration;

use clap::{ArgGroup, Command, CommandFactory};
use clap_complete::Shell;
use drover_master::control::{ControlClient, ControlPath};
use drover_proto::latest::StatusReply;

use super::find;
use crate::args::{Cli, CompletionArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::message;

/// The verbs whose words are names of apps and workers.
const VERBS_OF_NAMES: &str = "status ps ls top events start stop restart suspend resume reload scale signal send describe logs wait healthcheck rollback reset";

pub(super) fn run(args: &CompletionArgs) -> ExitStatus {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut without_what_is_hidden(&Cli::command()), "drover", &mut script);
    let script = String::from_utf8_lossy(&script);
    message::whole_result(&with_names(args.shell, &script))
}

/// How long a shell waits for names: nobody notices, and a master that is dead or busy holds nobody up.
const BUDGET: Duration = Duration::from_millis(100);

/// The apps and workers of the master that a verb would look at, one a line. Of what is wrong a person who types knows nothing.
pub(super) async fn names(global: &Global) -> ExitStatus {
    if let Some(path) = find::meant_silently(global, &ControlPath::live())
        && let Ok(Some(reply)) = tokio::time::timeout(BUDGET, ask(&path)).await
    {
        let apps = reply.apps.iter().map(|app| app.name.clone());
        let workers = reply.apps.iter().flat_map(|app| {
            let own = app.workers.iter().filter(|worker| worker.role().is_occupant());
            own.map(|worker| format!("{}/{}", app.name, worker.slot))
        });
        let all: Vec<String> = apps.chain(workers).collect();
        let _ = message::result(&all.join("\n"));
    }
    ExitStatus::Done
}

async fn ask(path: &Path) -> Option<StatusReply> {
    ControlClient::connect(path).await.ok()?.status(&[]).await.ok()
}

/// The script, which knows no names, with those of what runs.
fn with_names(shell: Shell, script: &str) -> String {
    match shell {
        Shell::Bash => format!("{script}\n{}", BASH.replace("VERBS", &VERBS_OF_NAMES.replace(' ', "|"))),
        Shell::Zsh => {
            // What its own script takes for any text.
            let names = ["names", "apps", "name"].iter().fold(script.to_owned(), |script, arg| {
                let lines = script.lines().map(|line| {
                    let is_of_names =
                        line.contains(&format!("::{arg} -- ")) || line.contains(&format!("':{arg} -- "));
                    if is_of_names { line.replace(":_default'", ":_drover_names'") } else { line.to_owned() }
                });
                lines.collect::<Vec<_>>().join("\n")
            });
            // Targets the script calls what it has defined.
            names.replacen("_drover() {", &format!("{ZSH}\n_drover() {{"), 1)
        }
        Shell::Fish => {
            let line = format!(
                "complete -c drover -n \"__fish_seen_subcommand_from {VERBS_OF_NAMES}\" -f -a \"(command drover complete-names 2>/dev/null)\""
            );
            format!("{script}\n{line}\n")
        }
        _ => script.to_owned(),
    }
}

/// `_drover` is the function of the script before it.
const BASH: &str = r#"_drover_and_names() {
    local word verb cur="${COMP_WORDS[COMP_CWORD]}" options=() index
    _drover "$@"
    for ((index = 1; index < COMP_CWORD; index++)); do
        word="${COMP_WORDS[index]}"
        case "$word" in
            -s|--socket|-f|--file) [[ -z "$verb" ]] && options+=("$word" "${COMP_WORDS[index + 1]}") ;;
            VERBS) verb="$word" ;;
        esac
    done
    if [[ -n "$verb" && "$cur" != -* ]]; then
        COMPREPLY+=($(compgen -W "$("${COMP_WORDS[0]}" "${options[@]}" complete-names 2>/dev/null)" -- "$cur"))
    fi
}
complete -F _drover_and_names -o nosort -o bashdefault -o default drover 2>/dev/null ||
    complete -F _drover_and_names -o bashdefault -o default drover
"#;

const ZSH: &str = r#"_drover_names() {
    local -a names
    names=(${(f)"$(command drover complete-names 2>/dev/null)"})
    compadd -a names
}
"#;

/// A script offers all that there is, also verbs and options that nobody is to type.
pub(super) fn without_what_is_hidden(whole: &Command) -> Command {
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
