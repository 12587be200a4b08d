//! The Python package as one gets it: its wheel, installed into environments with nothing of this repository.

use std::path::{Path, PathBuf};

use super::language::{Language, output_of};

/// Where it is installed: `alone` has it with what it needs, `servers` with what the tests run. None if that can't be had here, which the
/// gate does not accept.
pub(crate) async fn installed() -> Option<PathBuf> {
    // It says why, if there is no Python.
    Language::new("python").installed().await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
    let folder = root.join("target/workers/python-wheel");
    let package = root.join("packages/python");
    let args = [package.to_str().unwrap(), folder.to_str().unwrap()];
    let output = output_of(&root.join("tests/e2e/foreign_workers/wheel.sh"), &args).await;
    if output.status.success() {
        return Some(folder);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(std::env::var_os("CI").is_none(), "the Python package can't be installed: {said}");
    drover_e2e::complain(&format!(
        "SKIPPED: a test of the Python package (with DROVER_DOWNLOADS=1 what it needs is fetched): {}",
        said.trim()
    ));
    None
}
