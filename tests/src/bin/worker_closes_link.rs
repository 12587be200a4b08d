//! Is ready, closes its connection and stays; with `E2E_RETURN` it comes back, this many times, says so and serves.

use drover_e2e::raw::Link;
use drover_proto::latest::Status;
use drover_proto::latest::worker_frame::Body;

fn main() -> std::process::ExitCode {
    drop(Link::started());
    let Some(mut left) = drover_e2e::setting::<u32>("E2E_RETURN") else { drover_e2e::wait_for_ever() };
    // The master may not have seen the end of the last connection yet, and refuse.
    loop {
        let mut link = Link::connect();
        if link.introduce(&Link::hello()).is_ok() {
            left -= 1;
            if left == 0 {
                link.say(Body::Status(Status { text: "back".to_owned(), ..Default::default() }));
                return link.serve();
            }
        }
    }
}
