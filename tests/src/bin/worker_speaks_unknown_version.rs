//! Speaks versions that no master knows yet, and leaves when it is turned away.

use drover_e2e::raw::Link;
use drover_proto::latest::Hello;

fn main() -> std::process::ExitCode {
    Link::connect().introduce_or_leave(&Hello { min_version: 7, max_version: 9, ..Link::hello() })
}
