//! Is ready, closes its connection and stays; with `E2E_RETURN` it comes back, once, and serves.

use drover_e2e::raw::Link;

fn main() -> std::process::ExitCode {
    drop(Link::started());
    if drover_e2e::setting::<u8>("E2E_RETURN").is_some() {
        // The master may not have seen the end of the first connection yet, and refuse.
        loop {
            let mut link = Link::connect();
            if link.introduce(&Link::hello()).is_ok() {
                return link.serve();
            }
        }
    }
    drover_e2e::wait_for_ever();
}
