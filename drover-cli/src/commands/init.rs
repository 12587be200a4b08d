//! `drover init`: a drover.toml to begin with.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use drover_master::control::ClientError;

use super::{find, refusal::report};
use crate::args::{Global, InitArgs};
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::path::whole;

/// Runs as it stands, so that there is something to see.
const PLACEHOLDER: &str = "echo \"worker $DROVER_SLOT works\"; exec sleep infinity";

pub(super) async fn run(mut global: Global, args: &InitArgs) -> ExitStatus {
    // It is to be written, and is that of no master.
    let file = whole(global.file.take().as_deref().unwrap_or(Path::new("drover.toml")));
    if let Some(app) = &args.from_running {
        // Before somebody is asked in vain.
        if file.exists() {
            return left_alone(&file);
        }
        return match running(&global, app).await {
            Ok(text) => write(&global, &file, &text),
            Err(status) => status,
        };
    }
    let command: Vec<String> = match args.command.is_empty() {
        true => found_in(file.parent().unwrap_or(Path::new("."))),
        false => args.command.clone(),
    };
    write(&global, &file, &text(&command))
}

/// What a master runs, as a file.
async fn running(global: &Global, app: &str) -> Result<String, ExitStatus> {
    let mut client = find::connect(global).await?;
    match client.describe_as_file(&[app.to_owned()]).await {
        Ok(text) => {
            let pid = client.master_pid().map_or_else(String::new, |pid| format!(" pid {pid}"));
            Ok(format!(
                "# What the master{pid} ran. `drover validate` checks it, `drover config` shows every default.\n{text}"
            ))
        }
        Err(ClientError::Unexpected) => {
            message::error_text("this master is of an older version, and can't tell what it runs as a file");
            Err(ExitStatus::ProtocolMismatch)
        }
        Err(error) => Err(report(&error)),
    }
}

fn write(global: &Global, file: &Path, text: &str) -> ExitStatus {
    // What is there was written by somebody.
    let made = OpenOptions::new().write(true).create_new(true).open(file);
    match made.and_then(|mut made| made.write_all(text.as_bytes())) {
        Ok(()) => {
            if !global.quiet {
                message::note(&format!("wrote {}; edit it, then run `drover up`", file.display()));
            }
            ExitStatus::Done
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => left_alone(file),
        Err(error) => {
            message::error_text(&format!("{} can't be written: {error}", file.display()));
            ExitStatus::Failed
        }
    }
}

fn left_alone(file: &Path) -> ExitStatus {
    message::error_text(&format!("{} already exists and was left unchanged", file.display()));
    ExitStatus::Failed
}

/// What a directory is usually run by.
fn found_in(directory: &Path) -> Vec<String> {
    let has = |file: &str| directory.join(file).is_file();
    let words: &[&str] = match () {
        () if has("package.json") => &["npm", "start"],
        () if has("manage.py") => &["python3", "manage.py", "runserver", "--noreload"],
        () if has("Cargo.toml") => &["cargo", "run", "--release"],
        () if has("go.mod") => &["go", "run", "."],
        () => &["sh", "-c", PLACEHOLDER],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn text(command: &[String]) -> String {
    let command = toml_edit::Array::from_iter(command);
    format!(
        "# What `drover up` runs. `drover validate` checks it, `drover config` shows every default.
version = 1

[app.web]
command = {command}
workers = 1                      # \"auto\": one a CPU
# env = {{ PORT = \"8080\" }}
# start = {{ probe = {{ http = \"http://127.0.0.1:8080/\" }} }}  # ready once this answers; else when it has lived for 1s
# stop = {{ drain_timeout = \"20s\" }}                      # so long it has to finish after SIGTERM

# [sockets.http]                 # opened once and inherited by every worker, as LISTEN_FDS from descriptor 3;
# listen = \"127.0.0.1:8080\"      # an app names it: sockets = [\"http\"]
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use drover_master::config::file as config;

    #[test]
    fn what_is_written_is_valid_and_has_the_command_as_it_was_given() {
        let command = ["sh", "-c", "echo \"a\" 'b'"].map(str::to_owned);
        let config = config::parse(&text(&command)).unwrap();
        assert_eq!(config.apps[0].spec.command.to_string(), command.join(" "));
        // What is commented out is what could be there.
        let whole =
            text(&command).replace("# env", "env").replace("# start", "start").replace("# stop", "stop");
        let whole = whole.replace("# [sockets", "[sockets").replace("# listen", "listen");
        config::parse(&whole).unwrap();
    }

    #[test]
    fn a_directory_tells_what_runs_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(found_in(dir.path())[0], "sh");
        std::fs::write(dir.path().join("package.json"), "{}").unwrap();
        assert_eq!(found_in(dir.path()), ["npm", "start"]);
    }
}
