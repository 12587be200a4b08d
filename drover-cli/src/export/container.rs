//! What is otherwise in a container than on the machine that a file was written for.

use std::time::Duration;

use drover_master::config::file::{AppTable, Config, to_json};
use drover_master::config::{Kind, ListenAddr, Probe, ProbeKind};
use serde_json::Value;

use super::ports::{is_loopback, is_of_a_machine, port_of};
use super::{Caveat, ExportTarget};

/// How long requests may still come to a container that was told to end.
const LATE: Duration = Duration::from_secs(5);

/// What has no counterpart, or does something else there.
pub(super) fn caveats(config: &Config, target: ExportTarget, replicas: u32) -> Vec<Caveat> {
    let values = to_json(config);
    let mut found = sockets(config);
    found.extend(admin(config));
    for app in &config.apps {
        found.extend(late(app, target));
        found.extend(repeated(app, replicas));
        found.extend(files(app));
        found.extend(privileged(&app.spec.name, &values["app"][&app.spec.name]["limits"]));
    }
    found
}

/// What nobody can see in the file, or what the image has to have.
pub(super) fn hints(config: &Config) -> Vec<String> {
    let values = to_json(config);
    let of_app = |app| {
        let said = [own_port(app, config, &values), in_the_image(app)];
        said.into_iter().flatten()
    };
    config.apps.iter().flat_map(of_app).collect()
}

/// The sockets that nobody outside of the container reaches.
fn sockets(config: &Config) -> Vec<Caveat> {
    let each = config.sockets.iter().filter_map(|socket| {
        let name = &socket.name;
        let text = match &socket.addr {
            ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) if is_loopback(addr) => format!(
                "socket `{name}` listens at {addr}, which nobody outside of the container reaches: listen at 0.0.0.0 there"
            ),
            ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) if is_of_a_machine(addr) => format!(
                "socket `{name}` listens at {addr}, an address that a container does not have: listen at 0.0.0.0 there"
            ),
            ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) if port_of(addr) == Some(0) => {
                format!("the kernel chooses the port of socket `{name}`, so it can't be published: name a port")
            }
            ListenAddr::Unix(path) => format!(
                "socket `{name}` is {} in the container; share its directory with whoever connects",
                path.display()
            ),
            _ => return None,
        };
        Some(Caveat::new(format!("sockets.{name}.listen"), text))
    });
    each.collect()
}

/// Metrics and health, which a master serves on its own machine alone.
fn admin(config: &Config) -> Option<Caveat> {
    let http = config.master.fixed.http.as_ref()?;
    let text = format!(
        "metrics and health are served at {} in the container, which only another container of its network or volume reaches",
        http.listen
    );
    Some(Caveat::new("master.http.listen", text))
}

/// An app that leaves while others still send it requests.
fn late(app: &AppTable, target: ExportTarget) -> Option<Caveat> {
    let (spec, name) = (&app.spec, &app.spec.name);
    let why = match target {
        ExportTarget::Kubernetes => {
            "pod is told to end, and Kubernetes takes longer to send requests elsewhere"
        }
        ExportTarget::Swarm => "task is told to end, and loses the requests of whoever remembers its address",
        ExportTarget::Compose | ExportTarget::Systemd => return None,
    };
    (!spec.listeners.is_empty() && spec.stop.pre_delay < LATE).then(|| {
        let delay = spec.stop.pre_delay.as_secs_f32();
        let text = format!(
            "app `{name}` serves on for {delay}s once its {why}: set stop.pre_delay = \"5s\", and export again"
        );
        Caveat::new(format!("app.{name}.stop.pre_delay"), text)
    })
}

/// What each of several containers does on its own.
fn repeated(app: &AppTable, replicas: u32) -> Option<Caveat> {
    let name = &app.spec.name;
    let what = match app.spec.kind {
        Kind::Cron => "runs by its schedule",
        Kind::Oneshot => "runs at the start",
        _ => return None,
    };
    (replicas > 1).then(|| {
        let text = format!("app `{name}` {what} in each of the {replicas} containers, also at the same time: export it from a file of its own, with one replica, unless it may");
        Caveat::new(format!("app.{name}.kind"), text)
    })
}

/// What is of this machine's files and journal.
fn files(app: &AppTable) -> Vec<Caveat> {
    let name = &app.spec.name;
    let mut found = Vec::new();
    let logs = app.spec.logs.as_ref();
    if let Some(dir) = logs.and_then(|logs| logs.dir.as_ref()) {
        let text = format!(
            "log files of app `{name}` in {} go with the container: mount a volume there, or leave them out, since the container's log has each line",
            dir.display()
        );
        found.push(Caveat::new(format!("app.{name}.logs.dir"), text));
    }
    if logs.is_some_and(|logs| logs.journald) {
        let text = format!(
            "a container has no journal for what app `{name}` prints; the container's log has each line"
        );
        found.push(Caveat::new(format!("app.{name}.logs.journald"), text));
    }
    if app.spec.watch.is_some() {
        let text = format!(
            "the files of an image do not change, so nothing restarts app `{name}`: move watch into a profile"
        );
        found.push(Caveat::new(format!("app.{name}.watch"), text));
    }
    found
}

/// What only a process with capabilities may do, which containers are not given unasked.
fn privileged(name: &str, limits: &Value) -> Vec<Caveat> {
    let is_negative = |key: &str| limits[key].as_i64().is_some_and(|value| value < 0);
    let needs = [
        ("nice", is_negative("nice"), "CAP_SYS_NICE"),
        ("rtprio", !limits["rtprio"].is_null(), "CAP_SYS_RESOURCE"),
        ("oom_score_adj", is_negative("oom_score_adj"), "CAP_SYS_RESOURCE"),
    ];
    let needed = needs.into_iter().filter(|(_, is_needed, _)| *is_needed);
    let caveat = |(key, _, capability): (&str, bool, &str)| {
        let text = format!(
            "limits.{key} of app `{name}` takes {capability}, which a container has only if it is given"
        );
        Caveat::new(format!("app.{name}.limits.{key}"), text)
    };
    needed.map(caveat).collect()
}

/// A port that the app opens itself, as a probe of it or its variable `PORT` gives away.
fn own_port(app: &AppTable, config: &Config, values: &Value) -> Option<String> {
    let spec = &app.spec;
    let health = [&spec.health.liveness, &spec.health.readiness];
    let checks = health.into_iter().flatten().map(|check| &check.probe);
    let asked = spec.start.probe.iter().chain(checks).filter_map(asked_port);
    let named = values["app"][&spec.name]["env"]["PORT"].as_str().map(str::to_owned);
    let is_opened = |port: &String| {
        let mut addrs = config.sockets.iter().filter_map(|socket| match &socket.addr {
            ListenAddr::Tcp(addr) => port_of(addr),
            _ => None,
        });
        addrs.any(|number| number.to_string() == *port)
    };
    let port = asked.chain(named).find(|port| !is_opened(port))?;
    Some(format!(
        "app `{}` opens port {port} itself, so it is not published: give it a socket, or add the port by hand if others outside of the container need it",
        spec.name
    ))
}

/// The port of a probe: a number, or what becomes one for each worker.
fn asked_port(probe: &Probe) -> Option<String> {
    let url = match &probe.kind {
        ProbeKind::Tcp { addr } => format!("http://{addr}/"),
        ProbeKind::Http { url, .. } => url.to_string(),
        _ => return None,
    };
    let (authority, _) = url.strip_prefix("http://")?.split_once('/')?;
    authority.rsplit_once(':').map(|(_, port)| port.to_owned())
}

/// What the file expects beside it.
fn in_the_image(app: &AppTable) -> Option<String> {
    let command = &app.spec.command;
    let user = command.user_name().map(|user| format!("user `{user}`"));
    let group = command.group_name().map(|group| format!("group `{group}`"));
    let cwd = command.cwd().map(|cwd| format!("directory {}", cwd.display()));
    let files = app.env_files.iter().map(|file| file.display().to_string());
    let needs: Vec<String> = user.into_iter().chain(group).chain(cwd).chain(files).collect();
    (!needs.is_empty()).then(|| format!("app `{}` takes from the image: {}", app.spec.name, needs.join(", ")))
}
