//! `[app.NAME]`: its keys one after the other, as the table of keys has them, and then what they mean to each other.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::cron;
use super::env_file;
use super::model::AppTable;
use super::socket;
use crate::config::keys;
use crate::config::notify::lowest_notify_fd;
use crate::config::text::mistake::{KeyPlace, Mistakes, shown};
use crate::config::text::reader::{KeyValue, TableReader};
use crate::config::text::{suggest, value};
use crate::config::{
    AppSpec, Command, Heartbeat, Kind, ListenSpec, Protocol, ReloadSignal, RestartPolicy, Stdin, WatchAction,
    Zone,
};

/// Reads one app, all but its relations to others; `declared` are the names of the sockets that the file has, `sockets` those of
/// them that are right, `directory` is where the file lies, if that is known.
pub(super) fn read<'t>(
    table: &mut TableReader<'t, '_>,
    entry: &KeyValue<'t>,
    declared: &[&str],
    sockets: &[ListenSpec],
    directory: Option<&Path>,
) -> Option<AppTable> {
    let mut spec = keys::plain_app(entry.name, Command::new(""));
    let mut own = Vec::new();
    let mut env_files = Vec::new();
    for key in keys::of_app().filter(|key| key.is_of_file() && key.section().is_none()) {
        match key.path() {
            "sockets" => {
                let read = |entry: &KeyValue<'t>, mistakes: &mut _| socket::names(entry, mistakes, declared);
                own = table.optional("sockets", read).unwrap_or_default();
                let named = own.iter().filter_map(|name| sockets.iter().find(|socket| socket.name == *name));
                spec.listeners = named.cloned().collect();
            }
            "env_file" => env_files = table.optional("env_file", env_file::paths).unwrap_or_default(),
            // Known once all apps are read.
            "depends_on" => {}
            path => {
                let help = "say what to run, for example `command = [\"node\", \"server.js\"]`";
                key.ask(table, path, Some(help).filter(|_| path == "command"), &mut spec);
            }
        }
    }
    for (section, _) in keys::sections() {
        read_section(table, section, &mut spec);
    }
    let path = table.path().to_owned();
    let of_machine = by_kind(&mut spec, &path, table.mistakes());
    let checked = Checked { path: &path, spec: &mut spec, own: &own, mistakes: table.mistakes() };
    checked.all();
    if spec.kind == Kind::Cron {
        cron::check(&path, &spec, table.mistakes());
    }
    if let Some(directory) = directory {
        spec.command.cwd = spec.command.cwd.map(|cwd| directory.join(cwd));
        for path in spec.watch.iter_mut().flat_map(|watch| &mut watch.paths) {
            *path = directory.join(&path);
        }
        if let Some(dir) = spec.logs.as_mut().and_then(|logs| logs.dir.as_mut()) {
            *dir = directory.join(&dir);
        }
        let from_files = env_file::read(&env_files, directory, table.mistakes()).into_iter();
        let from_files = from_files.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        spec.command.env.splice(0..0, from_files);
    }
    let env_files = env_files.into_iter().map(|file| file.path).collect();
    (!spec.command.program.is_empty()).then_some(AppTable { spec, sockets: own, env_files, of_machine })
}

/// Reads a table of an app.
fn read_section(app: &mut TableReader<'_, '_>, section: &'static str, spec: &mut AppSpec) {
    let keys = || keys::of_app().filter(move |key| key.is_of_file() && key.section() == Some(section));
    let entry = app.entry(section);
    if let Some(entry) = entry.as_ref().filter(|_| section == "restart") {
        if entry.item.is_str() {
            if let Some(policy) = keys().next() {
                policy.read(spec, entry, app.mistakes());
            }
            return;
        }
        if !entry.item.is_table_like() {
            entry
                .mistype(app.mistakes(), "a policy or a table")
                .help("write for example `restart = \"on-failure\"`");
            return;
        }
    }
    if let (Some(entry), "health", Kind::Oneshot) = (&entry, section, spec.kind) {
        let message = format!("{} has no meaning for a oneshot, which is ready when it is done", entry.path);
        let help = "leave it out, or set `kind = \"service\"`";
        app.mistakes().add(entry.key_span.clone(), message).help(help);
    }
    app.table(section, |table| {
        for key in keys() {
            key.ask(table, key.name(), None, spec);
        }
    });
}

/// What an app has by its kind and its protocol where the file says nothing; the answer are the keys that are left to the machine.
fn by_kind(spec: &mut AppSpec, path: &str, mistakes: &Mistakes<'_>) -> Vec<&'static str> {
    let is_written = |key: &str| mistakes.place(&format!("{path}.{key}")).is_some();
    let is_default = |key: &str| {
        mistakes.place(&format!("{path}.{key}")).is_some_and(|place| mistakes.is_default(&place.key_span))
    };
    let mut of_machine = Vec::new();
    if !is_written("start.parallel") {
        of_machine.push("start.parallel");
    }
    let is_auto = mistakes.place(&format!("{path}.workers")).is_none_or(|place| place.is_text);
    match spec.kind {
        // A migration that runs once for each CPU is nobody's wish.
        Kind::Oneshot | Kind::Cron if !is_written("workers") => spec.workers = 1,
        // A default that is for the others.
        Kind::Cron if is_default("workers") => spec.workers = 1,
        _ if is_auto => {
            spec.follows_cpus = spec.kind == Kind::Service;
            of_machine.push("workers");
        }
        _ => {}
    }
    if spec.kind == Kind::Cron && !is_written("timezone") {
        spec.cron.timezone = Zone::local();
    }
    // The work of a oneshot, or of a run, takes as long as it takes, unless the file says otherwise.
    if spec.kind != Kind::Service && !is_written("start.timeout") {
        spec.start.timeout = Duration::MAX;
    }
    // A run can't extend its time, so the limit of that is none of its concern.
    if spec.kind == Kind::Cron && spec.start.timeout != Duration::MAX && !is_written("start.max_timeout") {
        spec.start.max_timeout = spec.start.max_timeout.max(spec.start.timeout);
    }
    // A service is to run, so it comes back after every end; a oneshot is to be done.
    if !is_written("restart.policy") && !is_written("restart") {
        spec.restart.when = RestartPolicy::of(spec.kind).when;
    }
    match (spec.protocol, is_written("heartbeat")) {
        (Protocol::Drover, false) => spec.heartbeat = Some(Heartbeat::default()),
        (Protocol::Drover, true) => {}
        (Protocol::None | Protocol::Notify, _) => spec.heartbeat = None,
    }
    of_machine
}

/// What the keys of an app mean to each other.
struct Checked<'a, 't> {
    path: &'a str,
    spec: &'a mut AppSpec,
    own: &'a [String],
    mistakes: &'a mut Mistakes<'t>,
}

impl Checked<'_, '_> {
    fn all(mut self) {
        self.sockets();
        self.times();
        self.codes();
        self.requests();
        self.reload();
        self.watch();
    }

    fn place(&self, key: &str) -> Option<KeyPlace> {
        self.mistakes.place(&format!("{}.{key}", self.path)).cloned()
    }

    /// What has to do with the app's own sockets.
    fn sockets(&mut self) {
        if let (Stdin::Socket(name), Some(place)) = (&self.spec.stdin, self.place("stdin"))
            && !self.own.contains(name)
        {
            let help = match suggest::suggest(name, self.own.iter().map(String::as_str)) {
                Some(known) => suggest::did_you_mean(known),
                None => "add it to the app's `sockets`".to_owned(),
            };
            let path = self.path;
            let message =
                format!("{path}.stdin names `{}`, which is not one of the app's sockets", shown(name));
            self.mistakes.add(place.span, message).help(help);
        }
        let lowest = lowest_notify_fd(self.own.len());
        if let (Some(number), Some(place)) = (self.spec.notify_fd, self.place("notify_fd"))
            && number < lowest
        {
            let lowest = lowest.min(255);
            let message = format!("{}.notify_fd is {number}, but must be {lowest} to 255", self.path);
            self.mistakes.add(place.span, message);
        }
    }

    /// Times of which one has to be the longer.
    fn times(&mut self) {
        let AppSpec { start, restart, update, .. } = &*self.spec;
        let pairs = [
            ("start", ("timeout", start.timeout), ("max_timeout", start.max_timeout)),
            ("restart.backoff", ("initial", restart.backoff.initial), ("max", restart.backoff.max)),
            ("update", ("soak", update.soak), ("timeout", update.timeout)),
        ];
        for (table, least, most) in pairs.into_iter().filter(|(_, (_, least), _)| *least != Duration::MAX) {
            value::in_order(self.mistakes, &format!("{}.{table}", self.path), least, most);
        }
    }

    /// Codes that would be fatal and a success.
    fn codes(&mut self) {
        let (success, fatal) = (self.place("restart.success_codes"), self.place("restart.fatal_codes"));
        let Some(fatal) = fatal.filter(|place| place.is_right) else { return };
        if success.as_ref().is_some_and(|place| !place.is_right) {
            return;
        }
        let path = format!("{}.restart", self.path);
        let restart = &self.spec.restart;
        for (code, span) in restart.fatal_codes.iter().zip(fatal.elements) {
            let Some(at) = restart.success_codes.iter().position(|other| other == code) else { continue };
            let message = format!("exit code {code} is fatal and a success in {path}");
            let mistake = self.mistakes.add(span, message);
            match success.as_ref().and_then(|place| place.elements.get(at)) {
                None => mistake.help("0 is a success unless `success_codes` says otherwise"),
                Some(other) => {
                    mistake.label(other.clone(), "a success here").help("keep it in one of the two lists")
                }
            };
        }
    }

    /// Requests, which only workers of the protocol report.
    fn requests(&mut self) {
        if let (Some(place), Protocol::None | Protocol::Notify) =
            (self.place("recycle.requests"), self.spec.protocol)
        {
            let path = self.path;
            let message =
                format!("{path}.recycle.requests has no meaning for a worker that does not speak `drover`");
            let help = "leave it out, or set `protocol = \"drover\"`";
            self.mistakes.add(place.key_span, message).help(help);
        }
    }

    /// Whether a reload by signal waits for a word, which not every worker can say.
    fn reload(&mut self) {
        let tells = self.spec.protocol == Protocol::Notify && self.spec.notify_fd.is_none();
        let place = self.place("reload.wait");
        let Some(ReloadSignal { waits, .. }) = &mut self.spec.reload else { return };
        match place.filter(|place| place.is_right) {
            None => *waits = tells,
            Some(place) if *waits && !tells => {
                let message = format!(
                    "{}.reload.wait is true, but such a worker can't say that it has reloaded",
                    self.path
                );
                let help = "leave it out, or set `protocol = \"notify\"` without `notify_fd`";
                self.mistakes.add(place.span, message).help(help);
            }
            Some(_) => {}
        }
    }

    /// What a change of files brings about, which not every app can do.
    fn watch(&mut self) {
        let is_reload = self.spec.watch.as_ref().is_some_and(|watch| watch.action == WatchAction::Reload);
        if let (Kind::Oneshot, true, Some(place)) = (self.spec.kind, is_reload, self.place("watch.action")) {
            let message = format!(
                "{}.watch.action is `reload`, but a oneshot can't be reloaded: it ends by itself",
                self.path
            );
            self.mistakes.add(place.span, message).help("leave it out: a change starts it again");
        }
    }
}
