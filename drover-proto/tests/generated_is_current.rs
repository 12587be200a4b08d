//! The checked-in Rust, and the descriptors that the Python worker reads, are what the `.proto` files say. After a change of those, run
//! `DROVER_REGENERATE=1 cargo test -p drover-proto --test generated_is_current` and commit the result.

mod common;

use std::path::Path;

use prost::Message;

#[test]
fn the_generated_code_matches_the_proto_files() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = tempdir();
    // Payloads are slices of what was received, not copies.
    let payloads =
        ["Message", "Reply", "SendRequest", "SendResult"].map(|message| format!(".drover.v1.{message}"));
    prost_build::Config::new()
        .bytes(payloads)
        .out_dir(&out)
        .compile_fds(common::compiled())
        .expect("prost generates");

    let fresh = std::fs::read_to_string(out.join("drover.v1.rs")).unwrap();
    let kept = here.join("src/gen/drover.v1.rs");
    std::fs::remove_dir_all(&out).unwrap();
    if std::env::var_os("DROVER_REGENERATE").is_some() {
        std::fs::write(&kept, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(&kept).unwrap_or_default();
    assert!(fresh == committed, "src/gen/drover.v1.rs is stale: run this test with DROVER_REGENERATE=1");
}

#[test]
fn the_descriptors_of_the_python_worker_match_the_proto_files() {
    let mut files = common::compiled();
    // Comments and places in the text are most of it, and nobody reads them at run time.
    files.file.iter_mut().for_each(|file| file.source_code_info = None);
    let fresh = files.encode_to_vec();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/workers/python/drover.desc");
    if std::env::var_os("DROVER_REGENERATE").is_some() {
        std::fs::write(&kept, &fresh).unwrap();
    }
    let committed = std::fs::read(&kept).unwrap_or_default();
    assert!(fresh == committed, "{} is stale: run this test with DROVER_REGENERATE=1", kept.display());
}

fn tempdir() -> std::path::PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("generated-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the target directory is writable");
    dir
}
