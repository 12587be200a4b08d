//! Every key and what its change takes. A field that is added to a description does not compile until it has its row here.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use super::{Change, ChangeClass, Description};
use crate::config::settings::{
    shown, shown_access, shown_codes, shown_dependencies, shown_kind, shown_limit, shown_limits,
    shown_policy, shown_probe, shown_protocol, shown_recycling, shown_reload,
};
use crate::config::{
    AppSpec, Backoff, Command, HealthPolicy, Heartbeat, Intensity, ListenAddr, ListenMode, ListenSpec,
    OnStartFailure, OnUpdateFailure, RecyclePolicy, RestartPolicy, StartPolicy, StopPolicy, Strategy,
    SuspendSignals, UpdateOrder, UpdatePolicy,
};
use crate::machine::exit::signal_name;

use ChangeClass::{Live, Master, Reload, Restart};

/// What is different of what holds for all apps.
pub(super) fn of_all(old: &Description, new: &Description) -> Vec<Change> {
    // The apps have their own.
    let Description { apps: _, strategy, shutdown_timeout, fixed } = new;
    let mut found = Rows::new(None, "master");
    let strategies = [&old.strategy, strategy];
    found.compare_shown("strategy", Live, strategies, |strategy| Some(strategy_name(strategy).to_owned()));
    let intensity = |pick: fn(Intensity) -> String| move |strategy: &Strategy| strategy.intensity().map(pick);
    // A strategy that comes or goes is one row, not three.
    if old.strategy.intensity().is_some() && strategy.intensity().is_some() {
        found.compare_shown("intensity", Live, strategies, intensity(|known| known.count.to_string()));
        found.compare_shown("period", Live, strategies, intensity(|known| shown(known.period)));
    }
    found.compare("shutdown_timeout", Live, [&old.shutdown_timeout, shutdown_timeout], |time| {
        Some(shown(*time))
    });
    for (key, value) in fixed {
        let known = old.fixed.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone());
        if known.as_ref() != Some(value) {
            let why = Some("the master takes it when it starts");
            let (from, to) = (known, Some(value.clone()));
            let key = (*key).to_owned();
            found.found.push(Change { app: None, key, class: Master, from, to, why });
        }
    }
    found.found
}

/// What is different of an app. `all`: the apps as they run, to know whose address is whose.
pub(super) fn of_app(old: &AppSpec, new: &AppSpec, all: &[AppSpec]) -> Vec<Change> {
    let AppSpec {
        name,
        command,
        workers,
        listeners,
        stdin,
        protocol,
        start,
        stop,
        heartbeat,
        watchdog,
        notify_fd,
        notify_access,
        reload,
        health,
        restart,
        update,
        recycle,
        suspend,
        // Of the program that started the master, and no key of the file.
        output: _,
        kind,
        depends_on,
        essential,
    } = new;
    let mut found = Rows::new(Some(name), &format!("app.{name}"));
    of_command(&mut found, &old.command, command);
    found.compare("workers", Live, [&old.workers, workers], |count| Some(count.to_string()));
    of_listeners(&mut found, &old.listeners, listeners, all);
    found.compare("stdin", Reload, [&old.stdin, stdin], |stdin| Some(stdin.to_string()));
    found.compare("protocol", Reload, [&old.protocol, protocol], |protocol| {
        Some(shown_protocol(*protocol).to_owned())
    });
    of_start(&mut found, &old.start, start);
    of_stop(&mut found, &old.stop, stop);
    found.compare("heartbeat", Live, [&old.heartbeat, heartbeat], |heartbeat| {
        heartbeat
            .as_ref()
            .map(|Heartbeat { interval, misses }| format!("every {}, {misses} misses", shown(*interval)))
    });
    // Told to a worker when it starts.
    found.compare("watchdog", Reload, [&old.watchdog, watchdog], |every| every.map(shown));
    found.compare("notify_fd", Reload, [&old.notify_fd, notify_fd], |number| {
        number.map(|number| number.to_string())
    });
    found.compare("notify_access", Reload, [&old.notify_access, notify_access], |access| {
        Some(shown_access(*access).to_owned())
    });
    found.compare("reload", Live, [&old.reload, reload], |reload| reload.map(shown_reload));
    of_health(&mut found, &old.health, health);
    of_restart(&mut found, &old.restart, restart);
    of_update(&mut found, &old.update, update);
    of_recycling(&mut found, &old.recycle, recycle);
    found.compare("suspend", Live, [&old.suspend, suspend], |signals| {
        let SuspendSignals { signal, resume_signal } = signals.as_ref()?;
        Some(format!("{}, {}", signal_name(*signal), signal_name(*resume_signal)))
    });
    let why = "its workers are ready, and its end is judged, by other rules";
    found.compare("kind", Restart, [&old.kind, kind], |kind| Some(shown_kind(*kind).to_owned())).because(why);
    found.compare("depends_on", Live, [&old.depends_on, depends_on], |all| {
        Some(shown_dependencies(all)).filter(|text| !text.is_empty())
    });
    found.compare("essential", Live, [&old.essential, essential], |is_so| Some(is_so.to_string()));
    found.found
}

fn of_command(found: &mut Rows, old: &Command, new: &Command) {
    let Command {
        program,
        args,
        env,
        env_clear,
        cwd,
        umask,
        user,
        group,
        limits,
        // Who `user` and `group` are is looked up from them.
        account: _,
    } = new;
    if (&old.program, &old.args) != (program, args) {
        found.push("command", Reload, Some(old.to_string()), Some(new.to_string()));
    }
    of_environment(found, &old.env, env);
    found.compare("env_clear", Reload, [&old.env_clear, env_clear], |is_so| Some(is_so.to_string()));
    found.compare("cwd", Reload, [&old.cwd, cwd], |cwd| cwd.as_ref().map(|cwd| cwd.display().to_string()));
    found.compare("umask", Reload, [&old.umask, umask], |mask| mask.map(|mask| format!("{mask:03o}")));
    found.compare("user", Reload, [&old.user, user], Clone::clone);
    found.compare("group", Reload, [&old.group, group], Clone::clone);
    found.compare("limits", Reload, [&old.limits, limits], |limits| {
        Some(shown_limits(limits)).filter(|text| !text.is_empty())
    });
}

/// Variables one by one, by their names only.
fn of_environment<S: AsRef<OsStr>>(found: &mut Rows, old: &[(S, S)], new: &[(S, S)]) {
    let last = |all: &[(S, S)]| -> BTreeMap<_, _> {
        all.iter().map(|(key, value)| (key.as_ref().to_owned(), value.as_ref().to_owned())).collect()
    };
    let (old, new) = (last(old), last(new));
    for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
        let hidden = || "(hidden)".to_owned();
        let (from, to) = match (old.get(name), new.get(name)) {
            (Some(from), Some(to)) if from == to => continue,
            (from, to) => (
                from.map(|_| hidden()),
                to.map(|_| if from.is_some() { "(hidden, another value)".to_owned() } else { hidden() }),
            ),
        };
        found.push(&format!("env.{}", name.display()), Reload, from, to);
    }
}

fn of_listeners(found: &mut Rows, old: &[ListenSpec], new: &[ListenSpec], all: &[AppSpec]) {
    let names = |all: &[ListenSpec]| all.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
    let (from, to) = (names(old), names(new));
    let filled = |text: String| Some(text).filter(|text| !text.is_empty());
    let renamed = new.iter().any(|one| is_open_by_another_name(one, all));
    let why = "its address is open by another name, and can't be opened twice";
    if from != to {
        found.push("sockets", if renamed { Restart } else { Reload }, filled(from), filled(to));
        if renamed {
            found.because(why);
        }
    }
    for ListenSpec { name, addr, backlog, mode } in new {
        let Some(known) = old.iter().find(|known| known.name == *name) else { continue };
        let class = if is_open_by_another_name_at(name, addr, all) { Restart } else { Reload };
        found.compare_named(&format!("sockets.{name}.listen"), class, [&known.addr, addr]);
        if class == Restart {
            found.because(why);
        }
        found.compare_named(&format!("sockets.{name}.backlog"), Reload, [&known.backlog, backlog]);
        let shown = |mode: &ListenMode| Some(mode.name().to_owned());
        found.compare(&format!("sockets.{name}.mode"), Restart, [&known.mode, mode], shown);
        if known.mode != *mode {
            found.because("its address is open in the other mode, and can't be opened twice");
        }
    }
}

fn is_open_by_another_name(wanted: &ListenSpec, all: &[AppSpec]) -> bool {
    is_open_by_another_name_at(&wanted.name, &wanted.addr, all)
}

fn is_open_by_another_name_at(name: &str, addr: &ListenAddr, all: &[AppSpec]) -> bool {
    // Port 0 is another port each time.
    let is_chosen = matches!(addr, ListenAddr::Tcp(addr) if addr.ends_with(":0"));
    let mut open = all.iter().flat_map(|app| &app.listeners);
    !is_chosen && open.any(|one| one.name != name && one.addr == *addr)
}

fn of_start(found: &mut Rows, old: &StartPolicy, new: &StartPolicy) {
    let StartPolicy { timeout, max_timeout, min_uptime, probe, parallel, on_failure } = new;
    found.compare("start.timeout", Live, [&old.timeout, timeout], |time| Some(shown(*time)));
    found.compare("start.max_timeout", Live, [&old.max_timeout, max_timeout], |time| Some(shown(*time)));
    found.compare("start.min_uptime", Live, [&old.min_uptime, min_uptime], |time| Some(shown(*time)));
    found.compare("start.probe", Live, [&old.probe, probe], |probe| probe.as_ref().map(shown_probe));
    found.compare("start.parallel", Live, [&old.parallel, parallel], |count| Some(count.to_string()));
    found.compare("start.on_failure", Live, [&old.on_failure, on_failure], |what| {
        Some(match what {
            OnStartFailure::FailFast => "fail-fast".to_owned(),
            OnStartFailure::KeepGoing => "keep-going".to_owned(),
        })
    });
}

fn of_stop(found: &mut Rows, old: &StopPolicy, new: &StopPolicy) {
    let StopPolicy { pre_delay, drain_timeout, quit_timeout, term_timeout, max_timeout, signal, to } = new;
    for (key, times) in [
        ("stop.pre_delay", [&old.pre_delay, pre_delay]),
        ("stop.drain_timeout", [&old.drain_timeout, drain_timeout]),
        ("stop.quit_timeout", [&old.quit_timeout, quit_timeout]),
        ("stop.term_timeout", [&old.term_timeout, term_timeout]),
        ("stop.max_timeout", [&old.max_timeout, max_timeout]),
    ] {
        found.compare(key, Live, times, |time| Some(shown(*time)));
    }
    found.compare("stop.signal", Live, [&old.signal, signal], |signal| Some(signal_name(*signal)));
    found.compare("stop.to", Live, [&old.to, to], |to| Some(to.name().to_owned()));
}

/// Workers are asked as long as they live what they were started with.
fn of_health(found: &mut Rows, old: &HealthPolicy, new: &HealthPolicy) {
    let HealthPolicy { liveness, readiness } = new;
    for (key, checks) in
        [("health.liveness", [&old.liveness, liveness]), ("health.readiness", [&old.readiness, readiness])]
    {
        found.compare(key, Reload, checks, |check| check.as_ref().map(ToString::to_string));
    }
}

fn of_restart(found: &mut Rows, old: &RestartPolicy, new: &RestartPolicy) {
    let RestartPolicy { when, backoff, limit, start_limit, reset_after, success_codes, fatal_codes } = new;
    found.compare("restart.policy", Live, [&old.when, when], |when| Some(shown_policy(*when).to_owned()));
    found.compare("restart.backoff", Live, [&old.backoff, backoff], |backoff| {
        let Backoff { initial, max, factor, jitter } = backoff;
        Some(format!("{} to {}, factor {factor}, jitter {jitter}", shown(*initial), shown(*max)))
    });
    found.compare("restart.limit", Live, [&old.limit, limit], |limit| Some(shown_limit(limit)));
    found.compare("restart.start_limit", Live, [&old.start_limit, start_limit], |limit| {
        limit.as_ref().map(shown_limit)
    });
    found.compare("restart.reset_after", Live, [&old.reset_after, reset_after], |time| Some(shown(*time)));
    found.compare("restart.success_codes", Live, [&old.success_codes, success_codes], |codes| {
        Some(shown_codes(codes))
    });
    found.compare("restart.fatal_codes", Live, [&old.fatal_codes, fatal_codes], |codes| {
        Some(shown_codes(codes))
    });
}

fn of_update(found: &mut Rows, old: &UpdatePolicy, new: &UpdatePolicy) {
    let UpdatePolicy { max_surge, max_unavailable, soak, order, on_failure, timeout, max_generations } = new;
    found.compare("update.max_surge", Live, [&old.max_surge, max_surge], |share| Some(share.to_string()));
    found.compare("update.max_unavailable", Live, [&old.max_unavailable, max_unavailable], |share| {
        Some(share.to_string())
    });
    found.compare("update.soak", Live, [&old.soak, soak], |time| Some(shown(*time)));
    found.compare("update.order", Live, [&old.order, order], |order| {
        Some(match order {
            UpdateOrder::StartFirst => "start-first".to_owned(),
            UpdateOrder::StopFirst => "stop-first".to_owned(),
        })
    });
    found.compare("update.on_failure", Live, [&old.on_failure, on_failure], |what| {
        Some(match what {
            OnUpdateFailure::Rollback => "rollback".to_owned(),
            OnUpdateFailure::Pause => "pause".to_owned(),
        })
    });
    found.compare("update.timeout", Live, [&old.timeout, timeout], |time| Some(shown(*time)));
    found.compare("update.max_generations", Live, [&old.max_generations, max_generations], |count| {
        Some(count.to_string())
    });
}

fn of_recycling(found: &mut Rows, old: &RecyclePolicy, new: &RecyclePolicy) {
    found.compare("recycle", Live, [old, new], |policy| {
        Some(shown_recycling(policy)).filter(|_| policy.is_set())
    });
}

const fn strategy_name(strategy: &Strategy) -> &'static str {
    match strategy {
        Strategy::None => "none",
        Strategy::OneForOne(_) => "one-for-one",
        Strategy::OneForAll(_) => "one-for-all",
        Strategy::RestForOne(_) => "rest-for-one",
    }
}

/// The differences found so far.
struct Rows {
    app: Option<String>,
    prefix: String,
    found: Vec<Change>,
    /// Whether the last comparison found one.
    is_last_found: bool,
}

impl Rows {
    fn new(app: Option<&str>, prefix: &str) -> Self {
        Self {
            app: app.map(str::to_owned),
            prefix: prefix.to_owned(),
            found: Vec::new(),
            is_last_found: false,
        }
    }

    /// Compares the old value with the new one.
    fn compare<T: PartialEq>(
        &mut self,
        key: &str,
        class: ChangeClass,
        [old, new]: [&T; 2],
        show: impl Fn(&T) -> Option<String>,
    ) -> &mut Self {
        self.is_last_found = false;
        if old != new {
            self.push(key, class, show(old), show(new));
        }
        self
    }

    /// Compares what is shown of two values.
    fn compare_shown<T>(
        &mut self,
        key: &str,
        class: ChangeClass,
        [old, new]: [&T; 2],
        show: impl Fn(&T) -> Option<String>,
    ) {
        self.compare(key, class, [&show(old), &show(new)], Clone::clone);
    }

    /// As [`compare`](Self::compare), with a key that is whole.
    fn compare_named<T: PartialEq + ToString>(&mut self, key: &str, class: ChangeClass, [old, new]: [&T; 2]) {
        self.is_last_found = false;
        if old != new {
            self.add(key.to_owned(), class, Some(old.to_string()), Some(new.to_string()));
        }
    }

    fn push(&mut self, key: &str, class: ChangeClass, from: Option<String>, to: Option<String>) {
        self.add(format!("{}.{key}", self.prefix), class, from, to);
    }

    fn add(&mut self, key: String, class: ChangeClass, from: Option<String>, to: Option<String>) {
        self.is_last_found = true;
        self.found.push(Change { app: self.app.clone(), key, class, from, to, why: None });
    }

    /// Why the last one takes so much, if there was one.
    fn because(&mut self, why: &'static str) {
        if self.is_last_found
            && let Some(last) = self.found.last_mut()
        {
            last.why = Some(why);
        }
    }
}
