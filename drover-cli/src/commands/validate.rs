//! `drover validate`: what is wrong with drover.toml, without starting anything.

use drover_master::config::file::{self as config, ParseError};

use crate::args::{Global, ValidateArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;

/// A file with mistakes is refused. What only would not work here, on this machine and for this user, is a warning: the file
/// may be meant for another one.
pub(super) fn run(global: &Global, args: &ValidateArgs) -> ExitStatus {
    let path = args.named.as_ref().unwrap_or(&args.file);
    let loaded = config::read(path).and_then(|text| {
        let config = config::parse_profile(path, &text, args.profile.as_deref())?;
        Ok((text, config))
    });
    let (text, config) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => {
            message::plain(&message::load_error(&error, message::is_stderr_coloured()));
            return ExitStatus::Usage;
        }
    };
    let directory = match config::is_stream(path) {
        true => None,
        false => crate::path::whole(path).parent().map(std::path::Path::to_owned),
    };
    let file = path.display().to_string();
    let warnings = drover_master::obstacles(&text, &config, directory.as_deref());
    if !warnings.is_empty() {
        message::plain(&ParseError::render_warnings(&warnings, &file, &text, message::is_stderr_coloured()));
    }
    if args.strict && !warnings.is_empty() {
        return ExitStatus::Usage;
    }
    if !global.quiet {
        // A reader that has gone has its answer in the exit status.
        let _ = message::result(&summary(&file, config.apps.len(), config.sockets.len()));
    }
    ExitStatus::Done
}

fn summary(file: &str, apps: usize, sockets: usize) -> String {
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("{file} is valid: {}, {}", counted(apps, "app"), counted(sockets, "socket"))
}
