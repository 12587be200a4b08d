//! A stack of Docker Swarm, for `docker stack deploy`.

use std::fmt::Write as _;
use std::time::Duration;

use super::arithmetic::Arithmetic;
use super::compose::filled_in;
use super::ports::ports;
use super::{Caveat, Export, list, quoted};

/// How often Docker asks whether everything is ready, in seconds. An update goes on to the next task no sooner.
const PERIOD: u64 = 5;

/// How long a new task is watched, at least. Swarm's own 5 s are over before a second check.
const MONITOR: Duration = Duration::from_secs(15);

/// Over this, Swarm stops waiting for a task that leaves: moby/moby#36111.
const LONGEST: u64 = 60;

pub(super) fn text(export: &Export<'_>, times: &Arithmetic) -> String {
    let name = export.host_name();
    let soak = export.config.apps.iter().map(|app| app.spec.update.soak).max().unwrap_or_default();
    let monitor = soak.max(MONITOR).as_secs_f64().ceil();
    let mut text = format!(
        "{header}# The image has drover in its PATH, and drover.toml in its working directory.
version: \"3.8\"
services:
  {name}:
    image: {image}
    command: {command}
    # Drover itself reaps what workers leave behind.
    init: false
    stop_signal: SIGTERM
    stop_grace_period: {grace}s
    # Swarm kills a task that is unhealthy. Drover brings workers back itself, so that it gets time for it.
    healthcheck:
      test: [\"CMD\", \"drover\", \"healthcheck\"]
      interval: {PERIOD}s
      timeout: 6s
      retries: {retries}
      start_period: {start}s
    deploy:
      replicas: {replicas}
      # A new task is healthy before the old one is told to stop.
      update_config:
        parallelism: 1
        order: start-first
        failure_action: rollback
        monitor: {monitor}s
      rollback_config:
        parallelism: 1
        order: start-first
        failure_action: pause
        monitor: {monitor}s
      restart_policy:
        condition: on-failure
        delay: 5s
",
        header = export.header(),
        image = quoted(&filled_in(&export.image)),
        command = list(&export.up().into_iter().map(filled_in).collect::<Vec<_>>()),
        grace = times.grace,
        retries = times.mend.div_ceil(PERIOD) + 1,
        start = times.start,
        replicas = export.replicas,
    );
    let ports = ports(export.config);
    if !ports.is_empty() {
        text.push_str("    ports:\n");
    }
    for port in ports {
        let kind = if port.is_udp { "udp" } else { "tcp" };
        let _ = writeln!(
            text,
            "      - target: {number}\n        published: {number}\n        protocol: {kind}\n        mode: ingress",
            number = port.number
        );
    }
    text
}

pub(super) fn caveat(times: &Arithmetic) -> Option<Caveat> {
    (times.grace > LONGEST).then(|| {
        let text = format!(
            "stop_grace_period is {}s, and Swarm waits at most {LONGEST}s for a task to leave before it starts another in its place (moby/moby#36111), so both may run: lower master.shutdown_timeout and stop.drain_timeout, and export again",
            times.grace
        );
        Caveat::new("master.shutdown_timeout", text)
    })
}

pub(super) fn hints(export: &Export<'_>) -> Vec<String> {
    let name = export.host_name();
    vec![
        format!("to start it from {name}.yaml: docker stack deploy -c {name}.yaml {name}"),
        "Swarm takes over a changed stop_grace_period one update late (docker/cli#2441): deploy twice after a change of it".into(),
    ]
}
