//! Hears Stop and does nothing.

fn main() {
    let mut link = drover_e2e::raw::Link::started();
    while link.hear().is_some() {}
    drover_e2e::wait_for_ever();
}
