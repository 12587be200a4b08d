//! Starts a process in its own group and does not look after it. Says its pid.

use std::process::Command;

use drover_e2e::raw::Link;
use drover_proto::latest::Started;
use drover_proto::latest::worker_frame::Body;

#[expect(clippy::zombie_processes, reason = "the vice of this worker")]
fn main() -> std::process::ExitCode {
    let mut link = Link::welcomed();
    let grandchild = Command::new("sleep").arg("300").spawn().expect("there is a sleep");
    drover_e2e::say(&grandchild.id().to_string());
    link.say(Body::Started(Started {}));
    link.serve()
}
