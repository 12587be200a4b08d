//! `drover up`: what drover.toml says.

mod before;
mod remembered;

use std::path::Path;

use drover_master::MasterBuilder;
use drover_master::config::FixedSettings;
use drover_master::config::file as config;
use drover_master::control::ControlPath;
use drover_master::keeper::{Kept, MasterCrash};
use drover_master::supervisor::{Supervisor, SupervisorBuilder};

pub(crate) use self::before::Before;
use self::remembered::Remembered;
use super::description::Source;
use super::socket_name::{name_of_file, served_as};
use super::{detach, difference, file_lock, serve};
use crate::args::{Global, UpArgs};
use crate::exit_status::ExitStatus;
use crate::output::{message, start_report};

/// Before there is a thread: see [`Before`].
pub(super) fn before(args: &UpArgs) -> Result<Before, ExitStatus> {
    before::begin(args)
}

pub(super) async fn run(global: &Global, args: &UpArgs, before: Before) -> ExitStatus {
    let args = &UpArgs { file: before.file.clone(), ..args.clone() };
    let crash = before.kept.as_ref().and_then(Kept::crash);
    let status = match crash {
        Some(crash) => go_on(global, args, before, crash).await,
        None => read_and_start(global, args, before).await,
    };
    start_report::end(status as u8);
    status
}

/// In the place of a master that has crashed.
async fn go_on(global: &Global, args: &UpArgs, before: Before, crash: MasterCrash) -> ExitStatus {
    message::note(&format!("another master (pid {}) goes on: {crash}", std::process::id()));
    let Some(kept) = before.kept else { return ExitStatus::Failed };
    let remembered = match recall(&kept) {
        Ok(remembered) => remembered,
        Err(why) => {
            message::error_text(&format!(
                "what the last master had its keeper remember can't be read: {why}"
            ));
            return ExitStatus::Failed;
        }
    };
    let source = Source::new(args, remembered.name.clone(), before.is_stream);
    let fixed = remembered.fixed();
    // What runs is written down, and comes before what the file says.
    let apps = config::parse_profile(&args.file, &remembered.text, args.profile.as_deref())
        .map_or_else(|_| Vec::new(), |config| source.description(&config).apps);
    let builder = builder(args, source, fixed.clone()).shutdown_timeout(remembered.shutdown_timeout);
    let builder = apps.into_iter().map(MasterBuilder::from_spec).fold(builder, SupervisorBuilder::app);
    // It was there once. That it can't be now does not justify ending what runs.
    let admin = serve::admin_of(fixed.http.as_ref(), home(args)).ok().flatten();
    let builder = match before.inherited {
        Ok(inherited) => builder.inherited(inherited),
        Err(_) => builder,
    };
    let control = control_path(global, args, remembered.served_as);
    let ended = serve::run(global, builder, control, admin, Some(&kept), &[]).await;
    drop(before.lock);
    ended
}

fn recall(kept: &Kept) -> Result<Remembered, String> {
    let bytes = kept.remembered().map_err(|error| error.to_string())?;
    Remembered::from_bytes(&bytes.ok_or("there is nothing")?).map_err(|error| error.to_string())
}

/// Reads the file, once: what comes by a stream does not come again.
async fn read_and_start(global: &Global, args: &UpArgs, mut before: Before) -> ExitStatus {
    let text = before.handed_over.take().map_or_else(|| config::read(&before.to_read), Ok);
    let text = match text {
        Ok(text) => text,
        Err(error) => {
            message::plain(&message::load_error(&error, message::is_coloured()));
            return ExitStatus::Usage;
        }
    };
    start(global, args, text, before).await
}

async fn start(global: &Global, args: &UpArgs, text: String, before: Before) -> ExitStatus {
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
    let (own_name, name) = (name_of_file(&config, &args.file), served_as(&config, &args.file));
    let source = Source::new(args, own_name.clone(), before.is_stream);
    let description = source.description(&config);
    let remembered = Remembered::of(&description, own_name, name.clone(), text.clone());
    let mut builder = builder(args, source, description.fixed.clone())
        .shutdown_timeout(description.shutdown_timeout)
        .strategy(description.strategy);
    for app in description.apps {
        builder = builder.app(MasterBuilder::from_spec(app));
    }
    let inherited = match before.inherited {
        Ok(inherited) => inherited,
        Err(error) => {
            message::error(&error);
            return ExitStatus::Failed;
        }
    };
    let admin = match serve::admin_of(description.fixed.http.as_ref(), home(args)) {
        Ok(admin) => admin,
        Err(status) => return status,
    };
    let lock = match before.lock.transpose() {
        Ok(lock) => lock,
        Err(running) => {
            message::error_text(&running.sentence());
            return ExitStatus::Failed;
        }
    };
    // Whoever starts a master in the background only looks, and lets go.
    if args.detach || args.wait {
        if let Err(running) = file_lock::take(&args.file) {
            return difference::up(global, args, &running).await;
        }
        if !inherited.is_empty() {
            message::error_text(
                "sockets were handed over, which a master in the background would not have; leave -d and --wait out",
            );
            return ExitStatus::Usage;
        }
        return detach::run(global, args, name, before.is_stream.then_some(text)).await;
    }
    if let Some(kept) = &before.kept
        && let Err(error) = remember(kept, &remembered)
    {
        message::note(&format!("the keeper can't go on after a crash of this master: {error}"));
    }
    let (builder, control) = (builder.inherited(inherited), control_path(global, args, name));
    let ended = serve::run(global, builder, control, admin, before.kept.as_ref(), &[]).await;
    drop(lock);
    ended
}

fn remember(kept: &Kept, what: &Remembered) -> std::io::Result<()> {
    kept.remember(&what.bytes()?)
}

/// What is the same in every master of a file.
fn builder(args: &UpArgs, source: Source, fixed: FixedSettings) -> SupervisorBuilder {
    Supervisor::builder()
        .messages_as_events()
        .keep_going(args.keep_going)
        .line(args.file.display().to_string())
        .reread(source, fixed)
}

fn home(args: &UpArgs) -> &Path {
    args.file.parent().unwrap_or(Path::new(""))
}

fn control_path(global: &Global, args: &UpArgs, name: String) -> ControlPath {
    if args.detached { serve::lasting_path(global, name) } else { serve::control_path(global, name) }
}
