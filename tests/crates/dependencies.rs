//! How many crates come with each library. A program builds them all, and each is code of somebody else in it.

use std::collections::BTreeSet;

use super::{cargo, output};

/// The libraries without their features, and how many crates are built for each, itself among them.
///
/// Eleven of them run in the compiler only: the derives of prost and thiserror and the macros of tokio, with syn in two versions. The
/// rest is tokio with its sockets and signals, prost and tracing; nix, for epoll, eventfd and pidfds without `unsafe`; and for the
/// master futures-util for framed connections, httparse for its probes, glob for names, fastrand for jitter, getrandom for tokens, serde with
/// its JSON and crc32fast for what another master goes on with.
const BOUNDS: [(&str, usize); 4] =
    [("drover-proto", 21), ("drover-worker", 34), ("drover-master", 48), ("drover-conform", 33)];

#[test]
fn no_library_brings_more_crates_along_than_it_is_allowed() {
    for (name, bound) in BOUNDS {
        let tree =
            ["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--no-dedupe", "--package"];
        let tree = output(cargo().args(tree).arg(name));
        let crates: BTreeSet<&str> =
            tree.lines().map(|line| line.trim_end_matches(" (proc-macro)")).collect();
        assert!(
            crates.len() <= bound,
            "{name} builds {} crates, which is more than {bound}: {crates:#?}",
            crates.len()
        );
    }
}
