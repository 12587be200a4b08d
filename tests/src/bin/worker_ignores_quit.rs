//! Drains as asked, and does not leave.

use drover_e2e::raw::Link;
use drover_proto::latest::master_frame::Body;

fn main() {
    let mut link = Link::started();
    while let Some(body) = link.hear() {
        if matches!(body, Body::Stop(_)) {
            link.obey(&body);
        }
    }
    drover_e2e::wait_for_ever();
}
