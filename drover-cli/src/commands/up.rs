//! `drover up`: what drover.toml says.

use std::path::Path;

use drover_master::MasterBuilder;
use drover_master::config::file as config;
use drover_master::supervisor::Supervisor;

use super::description::Source;
use super::socket_name::served_as;
use super::{detach, difference, file_lock, serve};
use crate::args::{Global, UpArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::output::{start_report, termination_log};
use crate::path::whole;

/// How large the log of a master in the background gets: some hundred thousand lines.
const LOG_SIZE: u64 = 16 * 1024 * 1024;

/// How many old ones of it are kept.
const LOGS_KEPT: u32 = 4;

pub(super) async fn run(global: &Global, args: &UpArgs) -> ExitStatus {
    let mut handed_over = None;
    if !args.detach && !args.wait && !args.detached {
        termination_log::begin();
    }
    if args.detached {
        match detach::become_master() {
            Ok(text) => {
                drover_master::tend_output_files(LOG_SIZE, LOGS_KEPT);
                handed_over = text;
            }
            Err(error) => {
                message::error_text(&format!("--detached is for `drover up -d` itself: {error}"));
                return ExitStatus::Usage;
            }
        }
    }
    let status = read_and_start(global, args, handed_over).await;
    start_report::end(status as u8);
    status
}

/// Reads the file, once: what comes by a stream does not come again. `handed_over`: what whoever started this has read of it.
async fn read_and_start(global: &Global, args: &UpArgs, handed_over: Option<String>) -> ExitStatus {
    let is_stream = handed_over.is_some() || config::is_stream(&args.file);
    // The file is known by one path wherever it is named, also after a link that led here was moved. A stream has none, and is
    // known by where it was read.
    let file = if is_stream { whole(Path::new(config::STDIN)) } else { whole(&args.file) };
    let text = handed_over.map_or_else(|| config::read(if is_stream { &args.file } else { &file }), Ok);
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            message::plain(&message::load_error(&error, message::is_coloured()));
            return ExitStatus::Usage;
        }
    };
    let args = &UpArgs { file, ..args.clone() };
    start(global, args, text, is_stream).await
}

async fn start(global: &Global, args: &UpArgs, text: String, is_stream: bool) -> ExitStatus {
    let config = match config::parse_profile(&args.file, &text, args.profile.as_deref()) {
        Ok(config) => config,
        Err(error) => {
            message::plain(&message::load_error(&error, message::is_coloured()));
            return ExitStatus::Usage;
        }
    };
    if let Some(unknown) =
        args.only.iter().find(|name| !config.apps.iter().any(|app| app.spec.name == **name))
    {
        let known: Vec<&str> = config.apps.iter().map(|app| app.spec.name.as_str()).collect();
        message::error_text(&format!(
            "there is no app `{unknown}` in {}; there is {}",
            args.file.display(),
            known.join(", ")
        ));
        return ExitStatus::NotFound;
    }
    let source = Source::new(args, &config, is_stream);
    let description = source.description(&config);
    let mut builder = Supervisor::builder()
        .messages_as_events()
        .keep_going(args.keep_going)
        .shutdown_timeout(description.shutdown_timeout)
        .strategy(description.strategy)
        .line(args.file.display().to_string())
        .reread(source, description.fixed.clone());
    for app in description.apps {
        builder = builder.app(MasterBuilder::from_spec(app));
    }
    let name = served_as(&config, &args.file);
    let inherited = match serve::inherited() {
        Ok(inherited) => inherited,
        Err(status) => return status,
    };
    let home = args.file.parent().unwrap_or(Path::new(""));
    let admin = match serve::admin_of(description.fixed.http.as_ref(), home) {
        Ok(admin) => admin,
        Err(status) => return status,
    };
    let in_background = args.detach || args.wait;
    // Held until all is over. Whoever starts a master in the background only looks, and lets go.
    let lock = match file_lock::take(&args.file) {
        Ok(lock) => lock,
        Err(running) if in_background => return difference::up(global, args, &running).await,
        Err(running) => {
            message::error_text(&running.sentence());
            return ExitStatus::Failed;
        }
    };
    if in_background {
        drop(lock);
        if !inherited.is_empty() {
            message::error_text(
                "sockets were handed over, which a master in the background would not have; leave -d and --wait out",
            );
            return ExitStatus::Usage;
        }
        return detach::run(global, args, name, is_stream.then_some(text)).await;
    }
    let control = match args.detached {
        true => serve::lasting_path(global, name),
        false => serve::control_path(global, name),
    };
    let ended = serve::run(global, builder.inherited(inherited), control, admin, &[]).await;
    drop(lock);
    ended
}
