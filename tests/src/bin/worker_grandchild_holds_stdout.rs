//! Starts a process in a session of its own that keeps stdout, stderr and the sockets open. Says its pid.

use std::process::Command;

use drover_e2e::raw::Link;
use drover_proto::latest::Started;
use drover_proto::latest::worker_frame::Body;

#[expect(clippy::zombie_processes, reason = "the vice of this worker")]
fn main() -> std::process::ExitCode {
    let mut link = Link::welcomed();
    let grandchild = Command::new("setsid").args(["sleep", "60"]).spawn().expect("there is a setsid");
    drover_e2e::say(&grandchild.id().to_string());
    link.say(Body::Started(Started {}));
    link.serve()
}
