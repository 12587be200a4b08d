//! Opens a second connection with its token, and says what it is told there.

use drover_e2e::raw::Link;

fn main() -> std::process::ExitCode {
    let link = Link::started();
    drover_e2e::say(&format!("{:?}", Link::connect().introduce(&Link::hello())));
    link.serve()
}
