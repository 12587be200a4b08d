//! A `[program:x]`.

use super::expand::{Expanded, Expansions};
use super::ini::IniSection;
use crate::import::draft::{DraftApp, ForeignText, ImportError};
use crate::import::value::{signal, size, time, truth, workers};

/// How long a process has to leave unless the file says otherwise, in ms.
const STOP_WAIT_MS: u64 = 10_000;

pub(super) fn app(source: &ForeignText, section: &IniSection, name: &str) -> Result<DraftApp, ImportError> {
    let find = |key: &str| section.entries.iter().rev().find(|(known, ..)| known == key);
    let mut app = DraftApp::new(name, source.at(section.line));
    let count = match find("numprocs") {
        Some((_, value, line)) => workers(value).ok_or_else(|| {
            source.error(*line, format!("`numprocs` is a number from 1 to 100000, and not `{value}`"))
        })?,
        None => 1,
    };
    let first = find("numprocs_start").and_then(|(_, value, _)| value.parse().ok()).unwrap_or_default();
    let here = source.home.as_deref().unwrap_or(".");
    let expansions = Expansions { program: name, here, workers: count, first };
    let Some((_, command, line)) = find("command") else {
        return Err(source.error(section.line, format!("program `{name}` has no `command`")));
    };
    let expanded = expansions.apply(command);
    let words = shlex::split(&expanded.text).filter(|words| !words.is_empty());
    let words = words.ok_or_else(|| {
        source.error(
            *line,
            format!("the `command` of program `{name}` is not a command line: is a quote left open?"),
        )
    })?;
    match expanded.variables.is_empty() {
        true => app.set_command(&words),
        // Only a shell knows them.
        false => {
            let quoted = words.iter().map(|word| for_shell(word));
            let script = quoted.fold("exec".to_owned(), |script, word| format!("{script} {word}"));
            app.set_command(&["sh", "-c", &script]);
        }
    }
    for unknown in expanded.unknown {
        app.lose(source.at(*line), "command", format!("there is nothing like {unknown}"));
    }
    app.set("workers", count);
    app.set("restart.policy", "on-failure");
    app.set_time("stop.drain_timeout", STOP_WAIT_MS);
    let mut reader = Reader { source, app, expansions };
    for (key, value, line) in &section.entries {
        reader.entry(key, value, *line)?;
    }
    reader.logs(section);
    Ok(reader.app)
}

/// A word between double quotes, but for its variables.
fn for_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+{}".contains(c);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    let mut made = String::from("\"");
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        let is_variable = rest.starts_with("${");
        if "\"\\`".contains(c) || (c == '$' && !is_variable) {
            made.push('\\');
        }
        made.push(c);
        rest = &rest[c.len_utf8()..];
    }
    made + "\""
}

struct Reader<'s> {
    source: &'s ForeignText,
    app: DraftApp,
    expansions: Expansions<'s>,
}

impl Reader<'_> {
    fn entry(&mut self, key: &str, text: &str, line: usize) -> Result<(), ImportError> {
        let wrong = |what: &str| self.source.error(line, format!("`{key}` is {what}, and not `{text}`"));
        match key {
            // Read before, or in `logs`; and what is killed in any case.
            "command"
            | "numprocs"
            | "numprocs_start"
            | "process_name"
            | "killasgroup"
            | "stdout_logfile"
            | "stdout_logfile_maxbytes"
            | "stdout_logfile_backups"
            | "redirect_stderr" => {}
            "directory" => {
                let cwd = self.expanded(key, text, line);
                self.app.set("cwd", self.source.path(&cwd));
            }
            "user" => {
                let user = self.expanded(key, text, line);
                self.app.set("user", user);
            }
            "umask" => self.app.set("umask", text),
            "environment" => self.environment(text, line)?,
            "autostart" => {
                if !truth(text).ok_or_else(|| wrong("true or false"))? {
                    self.lose(line, key, "all apps start with the master; `drover up --only` names those that are to, and `drover stop` stops one");
                }
            }
            "autorestart" => match text.to_ascii_lowercase().as_str() {
                "unexpected" => self.app.set("restart.policy", "on-failure"),
                _ => {
                    let always = truth(text).ok_or_else(|| wrong("true, false or unexpected"))?;
                    self.app.set("restart.policy", if always { "always" } else { "never" });
                }
            },
            "startsecs" => {
                let ms = time(text, "s").ok_or_else(|| wrong("a number of seconds"))?;
                self.app.set_time("start.min_uptime", ms);
            }
            "startretries" => match text.parse::<i64>() {
                Ok(0) => {
                    self.lose(line, key, "Drover tries again at least once: `restart.start_limit.count = 1`")
                }
                Ok(count @ 1..=100_000) => self.app.set("restart.start_limit.count", count),
                _ => return Err(wrong("a number from 0 to 100000")),
            },
            "exitcodes" => {
                let codes: Option<Vec<i64>> = text
                    .split(',')
                    .map(|code| code.trim().parse().ok().filter(|code| (0..=255).contains(code)))
                    .collect();
                let codes = codes.ok_or_else(|| wrong("numbers from 0 to 255"))?;
                self.app.set("restart.success_codes", codes.into_iter().collect::<toml_edit::Array>());
            }
            "stopsignal" => match signal(text) {
                Some(signal) => self.app.set("stop.signal", signal),
                None if matches!(text.trim_start_matches("SIG"), "KILL" | "STOP") => {
                    self.lose(
                        line,
                        key,
                        "Drover asks first, and kills after `stop.drain_timeout` and `stop.term_timeout`",
                    );
                }
                None => return Err(wrong("the name of a signal")),
            },
            "stopwaitsecs" => {
                let ms = time(text, "s").ok_or_else(|| wrong("a number of seconds"))?;
                self.app.set_time("stop.drain_timeout", ms);
            }
            "stopasgroup" => {
                if truth(text).ok_or_else(|| wrong("true or false"))? {
                    self.app.set("stop.to", "group");
                }
            }
            "priority" => self.lose(line, key, "say which app waits for which: `depends_on`"),
            "stderr_logfile" if matches!(text, "AUTO" | "NONE") => {}
            "stderr_logfile" | "stderr_logfile_maxbytes" | "stderr_logfile_backups" => {
                self.lose(line, key, "both streams go into one file; `drover logs --err` shows stderr alone");
            }
            "stdout_events_enabled"
            | "stderr_events_enabled"
            | "stdout_capture_maxbytes"
            | "stderr_capture_maxbytes" => {
                self.lose(line, key, "`drover logs -f --json` follows what workers print");
            }
            "stdout_syslog" | "stderr_syslog" => self.lose(
                line,
                key,
                "Drover's own output has all lines; what starts it can send them to syslog",
            ),
            "serverurl" => self.lose(line, key, "Drover has a control socket of its own"),
            _ => self.lose(line, key, "Drover knows no such key"),
        }
        Ok(())
    }

    fn lose(&mut self, line: usize, key: &str, why: impl Into<String>) {
        self.app.lose(self.source.at(line), key, why);
    }

    /// A value in which no shell fills in variables.
    fn expanded(&mut self, key: &str, text: &str, line: usize) -> String {
        let Expanded { text, unknown, variables } = self.expansions.apply(text);
        for unknown in unknown {
            self.lose(line, key, format!("there is nothing like {unknown}"));
        }
        for variable in variables {
            self.lose(line, key, format!("Drover does not fill in ${variable} there; write its value"));
        }
        text
    }

    /// `A="b, c",D=e`, perhaps over several lines.
    fn environment(&mut self, text: &str, line: usize) -> Result<(), ImportError> {
        for pair in pairs(text) {
            let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.trim().is_empty()) else {
                return Err(self.source.error(
                    line,
                    format!("`environment` is KEY=\"VALUE\" with commas between, and not `{pair}`"),
                ));
            };
            let value = value.trim();
            let unquoted =
                ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            let value = self.expanded("environment", unquoted.unwrap_or(value), line);
            self.app.set_env(name.trim(), value);
        }
        Ok(())
    }

    fn logs(&mut self, section: &IniSection) {
        let find = |key: &str| section.entries.iter().rev().find(|(known, ..)| known == key);
        let Some((key, file, line)) = find("stdout_logfile") else { return };
        let file = self.expansions.apply(file).text;
        if matches!(&*file, "NONE" | "AUTO" | "syslog" | "") || file.starts_with("/dev/") {
            return;
        }
        let (dir, base) = file.rsplit_once('/').unwrap_or((".", &file));
        self.app.set("logs.dir", self.source.path(if dir.is_empty() { "/" } else { dir }));
        if base != format!("{}.log", self.app.name) {
            let why = format!("its file is {dir}/{}.log", self.app.name);
            self.lose(*line, key, why);
        }
        if let Some((key, value, line)) = find("stdout_logfile_maxbytes") {
            match size(value).filter(|size| !size.starts_with("0")) {
                Some(size) => self.app.set("logs.max_size", size),
                None => self.lose(*line, key, "a file has a limit: `logs.max_size`"),
            }
        }
        if let Some((key, value, line)) = find("stdout_logfile_backups") {
            match value.parse::<i64>().ok().filter(|count| (0..=1000).contains(count)) {
                Some(count) => self.app.set("logs.keep", count),
                None => self.lose(*line, key, "`logs.keep` is a number from 0 to 1000"),
            }
        }
    }
}

/// The parts between commas and ends of lines that are not in quotes.
fn pairs(text: &str) -> Vec<String> {
    let mut pairs = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (None, ',' | '\n') => {
                pairs.push(String::new());
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
        if let Some(last) = pairs.last_mut() {
            last.push(c);
        }
    }
    pairs.into_iter().map(|pair| pair.trim().to_owned()).filter(|pair| !pair.is_empty()).collect()
}
