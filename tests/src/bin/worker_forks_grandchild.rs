//! Starts a process in its own group, `sleep 300` or what its arguments say, and does not look after it. Says its pid.

use std::env;
use std::process::Command;

use drover_e2e::raw::Link;
use drover_proto::latest::Started;
use drover_proto::latest::worker_frame::Body;

#[expect(clippy::zombie_processes, reason = "the vice of this worker")]
fn main() -> std::process::ExitCode {
    let mut link = Link::welcomed();
    let mut args: Vec<String> = env::args().skip(1).collect();
    if args.is_empty() {
        args = vec!["sleep".to_owned(), "300".to_owned()];
    }
    let grandchild = Command::new(&args[0]).args(&args[1..]).spawn().expect("there is such a program");
    drover_e2e::say(&grandchild.id().to_string());
    link.say(Body::Started(Started {}));
    link.serve()
}
