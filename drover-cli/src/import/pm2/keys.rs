//! The keys of an app.

use toml_edit::Array;

use crate::import::draft::{DraftApp, ForeignText, ImportError};
use crate::import::node::{Node, NodeData, NodeEntry};
use crate::import::value::{literal, size, time, workers};

/// The longest pause of an exponential backoff of pm2, in ms.
const LONGEST_PAUSE_MS: u64 = 15_000;

pub(super) struct Pm2Reader<'s> {
    source: &'s ForeignText,
    node: &'s Node,
    app: DraftApp,
}

impl<'s> Pm2Reader<'s> {
    pub(super) const fn new(source: &'s ForeignText, node: &'s Node, app: DraftApp) -> Self {
        Self { source, node, app }
    }

    /// The app, once all keys are read.
    pub(super) fn finish(mut self) -> DraftApp {
        self.watch();
        self.logs();
        self.app
    }

    pub(super) fn entry(&mut self, NodeEntry { key, line, value }: &NodeEntry) -> Result<(), ImportError> {
        let line = *line;
        let wrong = |what: &str| {
            let shown = value.text().map_or_else(|| value.kind().to_owned(), |text| format!("`{text}`"));
            self.source.error(line, format!("`{key}` is {what}, and not {shown}"))
        };
        let text = || value.text().ok_or_else(|| wrong("a text"));
        let truth = || value.truth().ok_or_else(|| wrong("true or false"));
        let ms = || text().ok().and_then(|text| time(&text, "ms")).ok_or_else(|| wrong("a time in ms"));
        if value.is_null() {
            return Ok(());
        }
        match key.as_str() {
            // Read before, or together with others.
            "name" | "script" | "exec" | "args" | "interpreter" | "exec_interpreter" | "node_args"
            | "nodeArgs" | "interpreter_args" | "interpreterArgs" | "watch" | "ignore_watch" | "watch_delay"
            | "out_file" | "output" | "out" | "error_file" | "error" | "err_file" | "log_file" | "log"
            | "merge_logs" | "combine_logs" | "log_date_format" | "log_type" | "time" => {}
            "cwd" => self.app.set("cwd", self.source.path(&text()?)),
            "instances" => self.instances(line, &text()?).ok_or_else(|| wrong("a number, `max`, 0 or -1"))?,
            "exec_mode" => match text()?.as_str() {
                "fork" | "fork_mode" => {}
                "cluster" | "cluster_mode" => self.lose(line, key, "the master opens the port: `[sockets.http]`, `sockets = [\"http\"]`, `protocol = \"drover\"` and `--require drover-worker/register` in the command; docs/guides/from-pm2.md shows it"),
                _ => return Err(wrong("fork or cluster")),
            },
            "env" => {
                for (name, value) in self.variables(key, value)? {
                    self.app.set_env(name, value);
                }
            }
            _ if key.starts_with("env_") && matches!(value.data, NodeData::Table(_)) => {
                let env = self.variables(key, value)?;
                self.app.profiles.push((key["env_".len()..].to_owned(), env));
            }
            "env_file" => self.app.set("env_file", self.source.path(&text()?)),
            "increment_var" => self.increment(line, &text()?),
            "max_memory_restart" => {
                let size = size(&text()?).filter(|size| !size.starts_with('0'));
                self.app.set("recycle.rss", size.ok_or_else(|| wrong("a size such as 300M"))?);
            }
            "autorestart" => {
                if !truth()? {
                    self.app.set("restart.policy", "never");
                }
            }
            "max_restarts" => match text()?.parse::<i64>() {
                Ok(count @ 1..=100_000) => self.app.set("restart.limit.count", count),
                Ok(0) => self.lose(line, key, "Drover tries again at least once, unless `restart = \"never\"`"),
                _ => return Err(wrong("a number from 0 to 100000")),
            },
            "min_uptime" => {
                let ms = ms()?;
                self.app.set_time("restart.reset_after", ms);
            }
            "restart_delay" => {
                let ms = ms()?;
                self.pause(ms, ms, 1.0);
            }
            "exp_backoff_restart_delay" => {
                let ms = ms()?;
                self.pause(ms, LONGEST_PAUSE_MS.max(ms), 1.5);
            }
            "kill_timeout" => {
                let ms = ms()?;
                self.app.set_time("stop.drain_timeout", ms);
            }
            "listen_timeout" => match ms()? {
                0 => return Err(wrong("a time of more than 0 ms")),
                ms => self.app.set_time("start.timeout", ms),
            },
            "wait_ready" | "shutdown_with_message" => {
                if truth()? {
                    self.lose(line, key, "with `protocol = \"drover\"` and `--require drover-worker/register` a worker is told and says when it is ready; docs/guides/from-pm2.md shows it");
                }
            }
            "cron_restart" | "cron" => self.cron(line, key, &text()?),
            "uid" | "user" => self.app.set("user", text()?),
            "gid" => self.app.set("group", text()?),
            "stop_exit_codes" => {
                let codes: Option<Vec<i64>> = value.texts().and_then(|texts| {
                    texts.iter().map(|text| text.parse().ok().filter(|code| (0..=255).contains(code))).collect()
                });
                let codes = codes.ok_or_else(|| wrong("numbers from 0 to 255"))?;
                self.app.set("restart.policy", "on-failure");
                self.app.set("restart.success_codes", [0].into_iter().chain(codes).collect::<Array>());
            }
            "treekill" => {
                if truth()? {
                    self.app.set("stop.to", "group");
                }
            }
            "pid_file" | "pid" => self.lose(line, key, "`drover status --json` has the pid of each worker"),
            "instance_var" => self.lose(line, key, "the worker's slot is in DROVER_SLOT, and `{slot}` in values of `env`"),
            "namespace" => self.lose(line, key, "patterns name several apps: `drover restart 'web*'`"),
            "source_map_support" | "pmx" | "vizion" | "automation" | "disable_logs" | "version" | "trace" | "disable_trace" | "autostart"
            | "post_update" | "append_env_to_name" | "filter_env" | "force" | "vizion_running" | "deep_monitoring" => {
                self.lose(line, key, "Drover has nothing like it");
            }
            _ => self.lose(line, key, "Drover knows no such key"),
        }
        Ok(())
    }

    fn lose(&mut self, line: usize, key: &str, why: impl Into<String>) {
        self.app.lose(self.source.at(line), key, why);
    }

    fn instances(&mut self, line: usize, text: &str) -> Option<()> {
        match text {
            "max" | "0" => self.app.set("workers", "auto"),
            "-1" => {
                self.app.set("workers", "auto");
                self.lose(
                    line,
                    "instances",
                    "one less than there are CPUs can't be said; `workers = \"auto\"` is one a CPU",
                );
            }
            _ => self.app.set("workers", workers(text)?),
        }
        if text != "1" {
            self.app.set_env("NODE_APP_INSTANCE", "{slot}");
        }
        Some(())
    }

    fn variables(&self, key: &str, value: &Node) -> Result<Vec<(String, String)>, ImportError> {
        if !matches!(value.data, NodeData::Table(_)) {
            return Err(self
                .source
                .error(value.line, format!("`{key}` is a table of variables, and not {}", value.kind())));
        }
        let entries = value.entries().iter().filter(|entry| !entry.value.is_null());
        let each = entries.map(|entry| match entry.value.text() {
            Some(text) => Ok((entry.key.clone(), literal(&text))),
            None => Err(self.source.error(
                entry.line,
                format!("`{key}.{}` is a text or a number, and not {}", entry.key, entry.value.kind()),
            )),
        });
        each.collect()
    }

    /// A variable that counts up with the worker.
    fn increment(&mut self, line: usize, name: &str) {
        let first = self.node.find("env").and_then(|env| env.find(name)?.text()?.parse::<u32>().ok());
        match first {
            Some(first) => self.app.set_env(name, format!("{{{first}+slot}}")),
            None => self.lose(line, "increment_var", format!("`env.{name}` has no number to count from")),
        }
    }

    fn pause(&mut self, initial: u64, longest: u64, factor: f64) {
        self.app.set_time("restart.backoff.initial", initial);
        self.app.set_time("restart.backoff.max", longest);
        self.app.set("restart.backoff.factor", factor);
        self.app.set("restart.backoff.jitter", 0.0);
    }

    fn cron(&mut self, line: usize, key: &str, schedule: &str) {
        let is_job = self.node.find("autorestart").and_then(Node::truth) == Some(false);
        let has_five = schedule.split_whitespace().count() == 5;
        match (schedule, is_job && has_five) {
            ("0" | "false", _) => {}
            (_, true) => {
                self.app.set("kind", "cron");
                self.app.set("schedule", schedule);
                self.app.comments.push("with `autorestart: false` it is a job, which does not run at the start too, as pm2 has it".into());
            }
            _ => self.lose(
                line,
                key,
                format!(
                    "let an app of `kind = \"cron\"` run `drover restart {}`, or set `recycle.age`",
                    self.app.name
                ),
            ),
        }
    }

    fn watch(&mut self) {
        let find = |key: &str| self.node.find(key).filter(|node| !node.is_null());
        let Some(watch) = find("watch").filter(|watch| watch.truth() != Some(false)) else { return };
        let ignore = find("ignore_watch").and_then(Node::texts);
        let delay = find("watch_delay").and_then(|delay| time(&delay.text()?, "ms")).filter(|ms| *ms > 0);
        if watch.truth().is_none()
            && let Some(paths) = watch.texts()
        {
            let base = self.node.find("cwd").and_then(Node::text).filter(|cwd| cwd != ".");
            let placed = |path: &String| match &base {
                Some(base) if !path.starts_with('/') => self.source.path(&format!("{base}/{path}")),
                _ => self.source.path(path),
            };
            self.app.set("watch.paths", paths.iter().map(placed).collect::<Array>());
        }
        match (&ignore, delay) {
            (None, None) if !self.app.keys.iter().any(|(key, _)| *key == "watch.paths") => {
                self.app.set("watch", true)
            }
            _ => {
                if let Some(ignore) = ignore {
                    self.app.set("watch.ignore", ignore.iter().map(String::as_str).collect::<Array>());
                }
                if let Some(delay) = delay {
                    self.app.set_time("watch.debounce", delay);
                }
            }
        }
    }

    fn logs(&mut self) {
        let find = |keys: &[&str]| {
            let found = self.node.entries().iter().find(|entry| keys.contains(&&*entry.key));
            found.and_then(|entry| Some((entry.key.clone(), entry.line, entry.value.text()?)))
        };
        let out = find(&["out_file", "output", "out"]);
        let error = find(&["error_file", "error", "err_file"]);
        let both = find(&["log_file", "log"]).filter(|(_, _, file)| !matches!(&**file, "true" | "false"));
        let is_file =
            |(_, _, file): &&(String, usize, String)| !matches!(&**file, "/dev/null" | "NULL" | "null");
        let files: Vec<_> = [&both, &out, &error].into_iter().flatten().filter(is_file).cloned().collect();
        let yes = |keys: &[&str]| find(keys).map(|(_, _, text)| text != "false");
        let is_timed = find(&["log_date_format"]).is_some() || yes(&["time"]) == Some(true);
        let is_json = find(&["log_type"]).is_some_and(|(_, _, kind)| kind == "json");
        let is_split = yes(&["merge_logs", "combine_logs"]) == Some(false);
        let Some((_, _, first)) = files.first() else { return };
        let dir = first.rsplit_once('/').map_or(".", |(dir, _)| if dir.is_empty() { "/" } else { dir });
        let cwd = self.node.find("cwd").and_then(Node::text);
        let placed = match cwd {
            Some(cwd) if !dir.starts_with('/') => format!("{cwd}/{dir}"),
            _ => dir.to_owned(),
        };
        self.app.set("logs.dir", self.source.path(&placed));
        if is_split {
            self.app.set("logs.per", "worker");
        }
        if is_json {
            self.app.set("logs.format", "json");
        }
        if is_timed {
            self.app.set("logs.timestamps", true);
        }
        let name = format!("{}.log", self.app.name);
        for (key, line, file) in &files {
            if *file != format!("{dir}/{name}") {
                self.lose(
                    *line,
                    key,
                    format!("both streams go into {placed}/{name}; `drover logs --err` shows stderr alone"),
                );
            }
        }
    }
}
