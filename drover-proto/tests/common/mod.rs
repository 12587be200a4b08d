//! What several tests need: the protocol as its `.proto` files describe it.

use std::path::{Path, PathBuf};

use protox::prost_reflect::prost_types::FileDescriptorSet;

/// Every file of `drover.v1`, in the order they are read.
pub(crate) const FILES: [&str; 5] = [
    "drover/v1/handshake.proto",
    "drover/v1/types.proto",
    "drover/v1/message.proto",
    "drover/v1/worker.proto",
    "drover/v1/control.proto",
];

/// The `proto` folder beside this crate.
pub(crate) fn proto_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto")
}

/// [`FILES`], compiled.
pub(crate) fn compiled() -> FileDescriptorSet {
    protox::compile(FILES, [proto_folder()]).expect("the .proto files compile")
}
