//! Reports its status 20,000 times as fast as it can, the last time with 10,000 readings and what is none, then serves.

use drover_e2e::raw::Link;
use drover_proto::latest::worker_frame::Body;
use drover_proto::latest::{Gauge, Status};

fn main() -> std::process::ExitCode {
    let mut link = Link::started();
    for number in 1..=20_000 {
        link.say(Body::Status(Status {
            text: format!("status {number}"),
            in_flight: number,
            requests: number,
            gauges: Vec::new(),
        }));
    }
    let names = (0..10_000).map(|number| (format!("gauge_{number:04}"), 0.5));
    let none = [("not_a_number".to_owned(), f64::NAN), ("no name".to_owned(), 1.0)];
    let gauges = none.into_iter().chain(names).map(|(name, value)| Gauge { name, value }).collect();
    let text = "status 20000".to_owned();
    link.say(Body::Status(Status { text, in_flight: 20_000, requests: 20_000, gauges }));
    link.serve()
}
