//! Is welcomed and never says Started.

fn main() {
    let _link = drover_e2e::raw::Link::welcomed();
    drover_e2e::wait_for_ever();
}
