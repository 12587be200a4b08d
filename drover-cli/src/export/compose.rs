//! A service whose first process is the master.

use std::fmt::Write as _;

use super::arithmetic::Arithmetic;
use super::ports::ports;
use super::{Export, list, quoted};

pub(super) fn text(export: &Export<'_>, times: &Arithmetic) -> String {
    let name = export.host_name();
    let mut text = format!(
        "{header}# The image has drover in its PATH, and drover.toml in its working directory.
services:
  {name}:
    image: {image}
    command: {command}
    # Drover itself reaps what workers leave behind.
    init: false
    stop_signal: SIGTERM
    stop_grace_period: {grace}s
    restart: on-failure
    healthcheck:
      test: [\"CMD\", \"drover\", \"healthcheck\"]
      interval: 10s
      timeout: 6s
      retries: 3
      start_period: {start}s
",
        header = export.header(),
        image = quoted(&filled_in(&export.image)),
        command = list(&export.up().into_iter().map(filled_in).collect::<Vec<_>>()),
        grace = times.grace,
        start = times.start,
    );
    if export.replicas != 1 {
        let _ = writeln!(text, "    deploy:\n      replicas: {}", export.replicas);
    }
    let ports = ports(export.config);
    if !ports.is_empty() {
        text.push_str("    ports:\n");
    }
    for port in ports {
        let kind = if port.is_udp { "/udp" } else { "" };
        // Several containers can't have one port of the machine.
        let outside = if export.replicas == 1 { format!("{}:", port.number) } else { String::new() };
        let _ = writeln!(text, "      - \"{outside}{}{kind}\"", port.number);
    }
    text
}

/// Compose fills in what begins with a `$`.
pub(super) fn filled_in(text: &str) -> String {
    text.replace('$', "$$")
}

/// The name of the project stands nowhere in the file: docker-compose 1 refuses it there.
pub(super) fn hints(export: &Export<'_>) -> Vec<String> {
    let name = export.host_name();
    vec![format!("to start it from compose.yaml: docker compose -p {name} up -d")]
}
