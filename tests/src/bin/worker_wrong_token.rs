//! Shows a token that is nobody's, and leaves when it is turned away.

use drover_e2e::raw::Link;
use drover_proto::latest::Hello;

fn main() -> std::process::ExitCode {
    Link::connect().introduce_or_leave(&Hello { token: "of another day".to_owned(), ..Link::hello() })
}
