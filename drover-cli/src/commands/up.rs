//! `drover up`: what drover.toml says.

use drover_master::MasterBuilder;
use drover_master::supervisor::Supervisor;

use super::description::Source;
use super::find::{served_as, whole};
use super::{detach, file_lock, serve};
use crate::args::{Global, UpArgs};
use crate::config;
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::output::said;

pub(super) async fn run(global: &Global, args: &UpArgs) -> ExitStatus {
    if args.detached
        && let Err(error) = detach::become_master()
    {
        message::error_text(&format!("--detached is for `drover up -d` itself: {error}"));
        return ExitStatus::Usage;
    }
    // The file is known by one path wherever it is named, also after a link that led here was moved.
    let args = &UpArgs { file: whole(&args.file), ..args.clone() };
    let status = start(global, args).await;
    said::end(status as u8);
    status
}

async fn start(global: &Global, args: &UpArgs) -> ExitStatus {
    let config = match config::load(&args.file) {
        Ok(config) => config,
        Err(error) => {
            message::plain(&error.render(message::is_coloured()));
            return ExitStatus::Usage;
        }
    };
    if let Some(unknown) = args.only.iter().find(|name| !config.apps.iter().any(|app| app.name == **name)) {
        let known: Vec<&str> = config.apps.iter().map(|app| app.name.as_str()).collect();
        message::error_text(&format!(
            "there is no app `{unknown}` in {}; there is {}",
            args.file.display(),
            known.join(", ")
        ));
        return ExitStatus::NotFound;
    }
    let source = Source::new(args, &config);
    let description = source.description(&config);
    let mut builder = Supervisor::builder()
        .messages_as_events()
        .keep_going(args.keep_going)
        .shutdown_timeout(description.shutdown_timeout)
        .strategy(description.strategy)
        .reread(source, description.fixed);
    for app in description.apps {
        builder = builder.app(MasterBuilder::from_spec(app));
    }
    let name = served_as(&config, &args.file);
    let inherited = match serve::inherited() {
        Ok(inherited) => inherited,
        Err(status) => return status,
    };
    let in_background = args.detach || args.wait;
    // Held until all is over. Whoever starts a master in the background only looks, and lets go.
    let lock = match file_lock::take(&args.file) {
        Ok(lock) => lock,
        Err(status) => return status,
    };
    if in_background {
        drop(lock);
        if !inherited.is_empty() {
            message::error_text(
                "sockets were handed over, which a master in the background would not have; leave -d and --wait out",
            );
            return ExitStatus::Usage;
        }
        return detach::run(global, args, name).await;
    }
    let ended =
        serve::run(global, builder.inherited(inherited), serve::control_path(global, name), &[]).await;
    drop(lock);
    ended
}
