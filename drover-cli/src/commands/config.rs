//! `drover config`: what drover.toml means, with every default written out.

use std::collections::HashMap;
use std::time::Duration;

use drover_master::config::file as config;
use drover_master::control::{ControlClient, ControlPath};
use drover_proto::latest::DiffRequest;

use super::socket_name::{name_of_file, socket_of_file};
use crate::args::{ConfigArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::{message, origin};
use crate::path::whole;

/// Stands for a value that may be a secret.
const HIDDEN: &str = "(hidden)";

/// How long a master may take to say what it runs. It is asked beside the file, which tells all but this.
const ANSWER: Duration = Duration::from_secs(3);

pub(super) async fn run(global: &Global, args: &ConfigArgs) -> ExitStatus {
    let read = config::read(&args.file).and_then(|text| {
        let config = config::parse_profile(&args.file, &text, args.profile.as_deref())?;
        Ok((config, text))
    });
    let (mut config, source) = match read {
        Ok(read) => read,
        Err(error) => {
            message::plain(&message::load_error(&error, message::is_stderr_coloured()));
            return ExitStatus::Usage;
        }
    };
    config.master.fixed.name = Some(name_of_file(&config, &args.file));
    for app in &mut config.apps {
        // Read from another directory, it would mean another one.
        if let Some(cwd) = app.spec.command.cwd().and_then(|cwd| std::path::absolute(cwd).ok()) {
            app.spec.command = app.spec.command.clone().current_dir(cwd);
        }
    }
    if !args.show_env {
        let hidden = config.hide_env(HIDDEN);
        if hidden > 0 && !global.quiet {
            message::note(&match hidden {
                1 => "1 value of env is hidden; --show-env shows it".to_owned(),
                _ => format!("{hidden} values of env are hidden; --show-env shows them"),
            });
        }
    }
    if args.origin {
        let values = config::origins(&config, &args.file, &source, args.profile.as_deref());
        let running = running(global, args).await;
        let shown = if args.json { origin::json } else { origin::text };
        return message::whole_result(&shown(args, &values, &running));
    }
    let text = if args.json { config::to_json(&config).to_string() } else { config::to_toml(&config) };
    message::whole_result(&text)
}

/// What the master of the file runs otherwise than the file says, by the key: it was scaled, or the file was edited since. None if it
/// does not run, or does not answer.
async fn running(global: &Global, args: &ConfigArgs) -> HashMap<String, String> {
    let file = whole(&args.file);
    let live = ControlPath::live();
    let Some(socket) = global.socket.as_ref().or_else(|| socket_of_file(&file, &live)) else {
        return HashMap::new();
    };
    let profile = args.profile.clone().unwrap_or_default();
    let request =
        DiffRequest { file: file.display().to_string(), profile: Some(profile.clone()), color: false };
    let ask = async { ControlClient::connect(socket).await.ok()?.diff(request).await.ok() };
    let plan = tokio::time::timeout(ANSWER, ask).await.ok().flatten();
    // One that does not know of profiles has compared with its own.
    let plan = plan.filter(|plan| plan.profile == profile && plan.running_file == plan.file);
    let changes = plan.into_iter().flat_map(|plan| plan.changes);
    changes.filter_map(|change| Some((change.key, change.from?))).collect()
}
