//! A Deployment whose container runs the master.

use std::fmt::Write as _;

use super::arithmetic::Arithmetic;
use super::ports::{Port, ports};
use super::{Export, list, quoted};

/// How often it is asked whether everything is ready, in seconds.
const PERIOD: u64 = 5;

pub(super) fn text(export: &Export<'_>, times: &Arithmetic) -> String {
    let name = export.host_name();
    let mut text = format!(
        "{header}# The image has drover in its PATH, and drover.toml in its working directory.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
    spec:
      terminationGracePeriodSeconds: {grace}
      containers:
        - name: {name}
          image: {image}
          command: {command}
          # What was said last is what `kubectl describe pod` shows of a failure.
          terminationMessagePolicy: FallbackToLogsOnError
",
        header = export.header(),
        replicas = export.replicas,
        grace = times.grace,
        image = quoted(&export.image),
        command = list(&export.up()),
    );
    let ports = ports(export.config);
    if !ports.is_empty() {
        text.push_str("          ports:\n");
    }
    for (at, port) in ports.iter().enumerate() {
        let kind = protocol(port);
        let _ = writeln!(
            text,
            "            - name: {}\n              containerPort: {}\n              protocol: {kind}",
            port_name(port, at),
            port.number
        );
    }
    let ready = list(&["drover", "healthcheck"]);
    let alive = list(&["drover", "events", "-q", "-n", "1"]);
    let _ = write!(
        text,
        "          # Until everything is ready for the first time; neither of the others asks before.
          startupProbe:
            exec:
              command: {ready}
            periodSeconds: {PERIOD}
            timeoutSeconds: 6
            failureThreshold: {failures}
          readinessProbe:
            exec:
              command: {ready}
            periodSeconds: {PERIOD}
            timeoutSeconds: 6
          # Whether the master answers. Workers that fail are its own business.
          livenessProbe:
            exec:
              command: {alive}
            periodSeconds: 10
            timeoutSeconds: 6
            failureThreshold: 6
",
        failures = times.start.div_ceil(PERIOD) + 1,
    );
    if !ports.is_empty() {
        text.push_str(&service(&name, &ports));
    }
    if export.replicas > 1 {
        text.push_str(&budget(&name));
    }
    text
}

/// The name and the address of the pods that are ready.
fn service(name: &str, ports: &[Port]) -> String {
    let mut text = format!(
        "---
apiVersion: v1
kind: Service
metadata:
  name: {name}
  labels:
    app.kubernetes.io/name: {name}
spec:
  selector:
    app.kubernetes.io/name: {name}
  ports:
"
    );
    for (at, port) in ports.iter().enumerate() {
        let (port_name, number, kind) = (port_name(port, at), port.number, protocol(port));
        let _ = writeln!(
            text,
            "    - name: {port_name}\n      port: {number}\n      targetPort: {port_name}\n      protocol: {kind}"
        );
    }
    text
}

/// So that the drain of a node takes one pod at a time.
fn budget(name: &str) -> String {
    format!(
        "---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {name}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
"
    )
}

const fn protocol(port: &Port) -> &'static str {
    if port.is_udp { "UDP" } else { "TCP" }
}

/// At most 15 small letters, digits and `-`, with a letter.
fn port_name(port: &Port, at: usize) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = port.name.chars().map(kept).take(15).collect();
    let is_usable = name.chars().any(|c| c.is_ascii_lowercase())
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-');
    if is_usable && name.len() == port.name.len() { name } else { format!("port-{at}") }
}

pub(super) fn hints(export: &Export<'_>) -> Vec<String> {
    let name = export.host_name();
    vec![format!("to start it from {name}.yaml: kubectl apply -f {name}.yaml")]
}
