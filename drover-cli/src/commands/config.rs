//! `drover config`: what drover.toml means, with every default written out.

use drover_master::config::file as config;

use super::socket_name::name_of_file;
use crate::args::{ConfigArgs, Global};
use crate::exit_status::ExitStatus;
use crate::output::{message, origin};

/// Stands for a value that may be a secret.
const HIDDEN: &str = "(hidden)";

pub(super) fn run(global: &Global, args: &ConfigArgs) -> ExitStatus {
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
        let shown = if args.json { origin::json(args, &values) } else { origin::text(args, &values) };
        return message::whole_result(&shown);
    }
    let text = if args.json { config::to_json(&config).to_string() } else { config::to_toml(&config) };
    message::whole_result(&text)
}
