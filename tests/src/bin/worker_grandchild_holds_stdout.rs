//! Starts a process in a session of its own that keeps stdout, stderr and the sockets open. Says its pid.

use std::process::Command;

use drover_e2e::raw::Link;

fn main() -> std::process::ExitCode {
    let mut link = Link::welcomed();
    let grandchild = Command::new("setsid").args(["sleep", "60"]).spawn().expect("there is a setsid");
    drover_e2e::say(&grandchild.id().to_string());
    link.say(drover_proto::latest::worker_frame::Body::Started(Default::default()));
    link.serve()
}
