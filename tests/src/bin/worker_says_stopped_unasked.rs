//! Says Stopped though nobody asked it to stop, `E2E_TIMES` times or once, and says what it is told.

use drover_e2e::raw::Link;
use drover_proto::latest::Stopped;
use drover_proto::latest::worker_frame::Body;

fn main() -> std::process::ExitCode {
    let mut link = Link::started();
    for _ in 0..drover_e2e::setting("E2E_TIMES").unwrap_or(1) {
        link.say(Body::Stopped(Stopped {}));
        drover_e2e::say(&format!("{:?}", link.hear()));
    }
    link.serve()
}
