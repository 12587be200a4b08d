//! The checked-in Rust, the descriptors that the Python package reads, and the copies in the packages for npm and Maven, are what the `.proto` files
//! say. After a change of those, run
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
fn the_descriptors_of_the_python_package_match_the_proto_files() {
    let mut files = common::compiled();
    // Comments and places in the text are most of it, and nobody reads them at run time.
    files.file.iter_mut().for_each(|file| file.source_code_info = None);
    let fresh = files.encode_to_vec();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packages/python/drover_worker/drover.desc");
    if std::env::var_os("DROVER_REGENERATE").is_some() {
        std::fs::write(&kept, &fresh).unwrap();
    }
    let committed = std::fs::read(&kept).unwrap_or_default();
    assert!(fresh == committed, "{} is stale: run this test with DROVER_REGENERATE=1", kept.display());
}

/// They change together.
#[test]
fn the_python_package_has_the_version_of_the_workspace() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packages/python/drover_worker/version.py");
    let wanted = format!("__version__ = \"{}\"\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), wanted, "{}", file.display());
}

/// An archive holds files, not links, and needs nothing else of this repository.
#[test]
fn the_proto_files_of_the_npm_package_are_the_same() {
    the_proto_files_are_the_same("packages/node/proto/drover/v1");
}

#[test]
fn the_proto_files_of_the_java_package_are_the_same() {
    the_proto_files_are_the_same("packages/java/src/main/proto/drover/v1");
}

fn the_proto_files_are_the_same(copies: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (from, to) = (root.join("proto/drover/v1"), root.join(copies));
    let names = |dir: &Path| -> std::collections::BTreeSet<_> {
        dir.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    for name in names(&from) {
        if std::env::var_os("DROVER_REGENERATE").is_some() {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
        let same =
            std::fs::read(from.join(&name)).unwrap() == std::fs::read(to.join(&name)).unwrap_or_default();
        assert!(same, "{}/{name:?} is stale: run this test with DROVER_REGENERATE=1", to.display());
    }
    assert_eq!(names(&from), names(&to));
}

fn tempdir() -> std::path::PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("generated-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the target directory is writable");
    dir
}
