//! `drover export`: writes what starts Drover somewhere else.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use drover_master::config::file as config;

use super::socket_name::name_of_file;
use crate::args::{ExportArgs, ExportTarget, Global};
use crate::exit_status::ExitStatus;
use crate::export::{Export, Exported, image_fault};
use crate::output::message;
use crate::path::whole;

pub(super) fn run(global: &Global, args: &ExportArgs) -> ExitStatus {
    let read = config::read(&args.file)
        .and_then(|text| config::parse_profile(&args.file, &text, args.profile.as_deref()));
    let config = match read {
        Ok(config) => config,
        Err(error) => {
            message::plain(&message::load_error(&error, message::is_stderr_coloured()));
            return ExitStatus::Usage;
        }
    };
    if args.target == ExportTarget::Systemd && config::is_stream(&args.file) {
        message::error_text(
            "a unit names the file that it starts, and this one came by a pipe: name it with -f",
        );
        return ExitStatus::Usage;
    }
    if let Some(option) = of_containers(args) {
        message::error_text(&format!("a unit starts no containers, so export systemd takes no {option}"));
        return ExitStatus::Usage;
    }
    if let Some((image, fault)) = args.image.as_ref().and_then(|image| Some((image, image_fault(image)?))) {
        message::error_text(&format!("--image: `{}` {fault}", image.escape_debug()));
        return ExitStatus::Usage;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            message::error_text(&format!("the path of this program can't be read: {error}"));
            return ExitStatus::Failed;
        }
    };
    let export = Export {
        command: command(args),
        name: name_of_file(&config, &args.file),
        file: whole(&args.file),
        program,
        profile: args.profile.clone(),
        image: args.image.clone().unwrap_or_default(),
        replicas: args.replicas.unwrap_or(1),
        config: &config,
    };
    tell(global, args, &export.to(args.target))
}

/// An option that only what starts containers has.
fn of_containers(args: &ExportArgs) -> Option<&'static str> {
    match args.target {
        ExportTarget::Systemd if args.image.is_some() => Some("--image"),
        ExportTarget::Systemd if args.replicas.is_some() => Some("--replicas"),
        _ => None,
    }
}

fn tell(global: &Global, args: &ExportArgs, exported: &Exported) -> ExitStatus {
    let count = exported.caveats.len();
    let is_refused = args.strict && count > 0;
    if !is_refused && let Some(file) = &args.output {
        let status = write(file, &exported.text);
        if status != ExitStatus::Done {
            return status;
        }
    }
    let status = match () {
        () if args.json => message::whole_result(&exported.json(is_refused).to_string()),
        () if is_refused || args.output.is_some() => ExitStatus::Done,
        () => message::whole_result(exported.text.trim_end()),
    };
    if status != ExitStatus::Done {
        return status;
    }
    let about =
        |lines: &[String]| lines.iter().filter(|_| !global.quiet).for_each(|line| message::note(line));
    about(&exported.sums);
    exported.caveats.iter().for_each(|caveat| message::note(&format!("warning: {}", caveat.text)));
    if is_refused {
        let warnings = if count == 1 { "1 warning".to_owned() } else { format!("{count} warnings") };
        message::error_text(&format!("{warnings}, so nothing was written (--strict)"));
        return ExitStatus::Failed;
    }
    about(&exported.hints);
    status
}

fn write(file: &Path, text: &str) -> ExitStatus {
    let made = OpenOptions::new().write(true).create_new(true).open(file);
    match made.and_then(|mut made| made.write_all(text.as_bytes())) {
        Ok(()) => ExitStatus::Done,
        Err(error) => {
            let why = match error.kind() {
                io::ErrorKind::AlreadyExists => "already exists and was left unchanged".to_owned(),
                _ => format!("can't be written: {error}"),
            };
            message::error_text(&format!("{} {why}", file.display()));
            ExitStatus::Failed
        }
    }
}

/// The command that makes the same again.
fn command(args: &ExportArgs) -> String {
    let mut words = vec!["drover".to_owned(), "export".to_owned(), args.target.name().to_owned()];
    words.extend(["-f".to_owned(), args.file.display().to_string()]);
    for (option, value) in [("--profile", &args.profile), ("--image", &args.image)] {
        words.extend(value.iter().flat_map(|value| [option.to_owned(), value.clone()]));
    }
    let replicas = args.replicas.filter(|count| *count != 1);
    words.extend(replicas.iter().flat_map(|count| ["--replicas".to_owned(), count.to_string()]));
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default()
}
