//! Node's own messages between a parent and its children (`child_process`), where Node is installed. They stand beside Drover's lines,
//! with no floor: each figure is Node's.

use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

use crate::report::{Aim, Unit, line, skipped};
use crate::sample::Pair;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/bus_node.js");

/// What the script measures, in its order.
const LINES: [&str; 3] = [
    "Node: a message to the parent, 64 B",
    "Node: a message of 100 to the parent, 64 B",
    "Node: a delivery of a broadcast to 100",
];

pub(crate) async fn all(rounds: usize) {
    let measured = tokio::task::spawn_blocking(move || measured(rounds)).await;
    let output = match measured.expect("waiting does not panic") {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => return skipped("Node", "it is not installed"),
        Err(error) => return skipped("Node", &error.to_string()),
    };
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return skipped("Node", &format!("{}: {}", output.status, words.trim()));
    }
    let mut pairs: [Pair; 3] = Default::default();
    for round in String::from_utf8_lossy(&output.stdout).lines() {
        for (pair, seconds) in pairs.iter_mut().zip(round.split(' ')) {
            pair.push([f64::NAN, seconds.parse().expect("the script prints seconds")]);
        }
    }
    for (what, pair) in LINES.iter().zip(&pairs) {
        line(what, Unit::Short, pair, Aim::None);
    }
}

/// The script ends by itself, and its children with it.
fn measured(rounds: usize) -> std::io::Result<Output> {
    Command::new("node").arg(SCRIPT).arg(rounds.to_string()).stdin(Stdio::null()).output()
}
