//! Reports its status 20,000 times as fast as it can, then serves.

use drover_e2e::raw::Link;
use drover_proto::latest::Status;
use drover_proto::latest::worker_frame::Body;

fn main() -> std::process::ExitCode {
    let mut link = Link::started();
    for number in 1..=20_000 {
        link.say(Body::Status(Status {
            text: format!("status {number}"),
            in_flight: number,
            requests: number,
        }));
    }
    link.serve()
}
