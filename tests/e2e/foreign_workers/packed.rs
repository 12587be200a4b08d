//! The npm package as one gets it: its archive, installed into a folder with nothing of this repository.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::language::{Language, output_of};

/// Where the archive is installed, with Express and others; none if that can't be had here, which the gate does not accept.
pub(crate) async fn packed() -> Option<PathBuf> {
    // It says why, if there is no Node.
    Language::new("node").installed().await?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
    let folder = root.join("target/workers/node-packed");
    let package = root.join("packages/node");
    let args = [package.to_str().unwrap(), folder.to_str().unwrap()];
    let output = output_of(&root.join("tests/e2e/foreign_workers/packed.sh"), &args).await;
    if output.status.success() {
        return Some(folder);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(std::env::var_os("CI").is_none(), "the npm package can't be installed: {said}");
    drover_e2e::complain(&format!(
        "SKIPPED: a test of the npm package (with DROVER_DOWNLOADS=1 what it needs is fetched): {}",
        said.trim()
    ));
    None
}

/// A folder of an app: its file, and the installed package beside it.
pub(super) async fn app(name: &str, text: &str) -> Option<TempDir> {
    let folder = packed().await?;
    let dir = tempfile::tempdir().unwrap();
    symlink(folder.join("node_modules"), dir.path().join("node_modules")).unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    Some(dir)
}

#[test]
fn the_npm_package_has_the_version_of_the_workspace() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let package: serde_json::Value = serde_json::from_str(&read("packages/node/package.json")).unwrap();
    assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
    // So do those who are told which file `npm pack` makes.
    let archive = concat!("./drover-worker-", env!("CARGO_PKG_VERSION"), ".tgz");
    for page in ["packages/node/README.md", "docs/guides/first-app-node.md", "docs/guides/from-pm2.md"] {
        assert!(read(page).contains(archive), "{page} does not install {archive}");
    }
}
