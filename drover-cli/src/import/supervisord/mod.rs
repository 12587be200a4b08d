//! supervisord.conf: each `[program:x]` is an app.

mod expand;
mod ini;
mod program;

use super::draft::{Draft, ForeignText, ImportError};

/// The files that `[include]` names, as globs relative to the file, each with its line.
pub(crate) fn includes(source: &ForeignText) -> Result<Vec<(usize, String)>, ImportError> {
    let sections = ini::sections(source)?;
    let entries =
        sections.iter().filter(|section| section.name == "include").flat_map(|section| &section.entries);
    let files = entries.filter(|(key, ..)| key == "files");
    Ok(files
        .flat_map(|(_, value, line)| value.split_whitespace().map(|glob| (*line, glob.to_owned())))
        .collect())
}

pub(super) fn read(source: &ForeignText, draft: &mut Draft) -> Result<(), ImportError> {
    let sections = ini::sections(source)?;
    for section in &sections {
        let (kind, name) = section.name.split_once(':').unwrap_or((&section.name, ""));
        let why = match kind {
            "program" if name.is_empty() => {
                return Err(source.error(section.line, "a program has a name: `[program:NAME]`"));
            }
            "program" => {
                draft.apps.push(program::app(source, section, name)?);
                continue;
            }
            // Its files are read too.
            "include" => continue,
            "supervisord" => {
                for (key, _, line) in &section.entries {
                    draft.lose(source.at(*line), key, daemon_key(key));
                }
                continue;
            }
            "group" => "apps are named one by one or by patterns: `drover restart 'web*'`",
            "eventlistener" => "what happens is told by `drover events -f --json`",
            "fcgi-program" => "make it an app with a socket: `[sockets.NAME]` and `stdin = \"socket:NAME\"`",
            "unix_http_server" | "inet_http_server" | "supervisorctl" => {
                "Drover has a control socket of its own; for HTTP there is `master.http`"
            }
            _ if kind.starts_with("rpcinterface") => "Drover has a control socket of its own",
            _ => "Drover knows no such section",
        };
        draft.lose(source.at(section.line), format!("[{}]", section.name), why);
    }
    Ok(())
}

fn daemon_key(key: &str) -> &'static str {
    match key {
        "nodaemon" => "`drover up` stays in the foreground, `drover up -d` does not",
        "logfile" | "logfile_maxbytes" | "logfile_backups" | "loglevel" | "silent" => {
            "the master's own log is its stderr, or `drover up -d --log FILE`"
        }
        "childlogdir" => "set `logs.dir` for each app",
        "pidfile" => "`drover list` shows the pid of each master",
        "user" => "set `user` for each app, or start Drover as that user",
        "umask" | "environment" | "directory" => {
            "set it for each app, or under `[defaults]`: `umask`, `env`, `cwd`"
        }
        "minfds" | "minprocs" => "set `limits.nofile` or `limits.nproc` for each app",
        "identifier" => "the master's name is `master.name`",
        _ => "it is of supervisord itself",
    }
}
