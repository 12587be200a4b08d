//! Connects and never says Hello.

fn main() {
    let _link = drover_e2e::raw::Link::connect();
    drover_e2e::wait_for_ever();
}
