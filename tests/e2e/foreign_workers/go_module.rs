//! The Go module as one gets it: from a module proxy, into a folder with nothing of this repository.

use std::fs;
use std::path::{Path, PathBuf};

use super::language::{Language, output_of};

const GO: Language = Language::new("go");

/// Builds the app of a folder, to a program that is called like it, with the module that it downloads; whether that can be done here,
/// which the gate demands.
pub(crate) async fn builds(app: &Path) -> bool {
    let Some(run) = GO.installed().await else { return false };
    let script = root().join("tests/e2e/foreign_workers/go_module.sh");
    let folder = root().join("target/workers/go-packed");
    let args = [&run, Path::new(env!("CARGO_PKG_VERSION")), &folder, app].map(|arg| arg.to_str().unwrap());
    let output = output_of(&script, &args).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// Runs a command of Go's that has to succeed; what it prints.
async fn go(run: &Path, args: &[&str]) -> String {
    let output = output_of(run, args).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace")
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let entries = root().join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "go")).collect()
}

#[test]
fn the_go_module_has_the_version_of_drover() {
    let source = fs::read_to_string(root().join("packages/go/worker.go")).unwrap();
    let version = format!("const Version = \"{}\"\n", env!("CARGO_PKG_VERSION"));
    assert!(source.contains(&version), "packages/go/worker.go has not {version}");
}

#[tokio::test]
async fn the_go_module_is_formatted_and_go_vet_finds_nothing() {
    let Some(run) = GO.installed().await else { return };
    go(&run, &["--with", "go", "vet", "github.com/drover/drover/packages/go", "."]).await;
    let folders = ["packages/go", "packages/go/pb", "examples/workers/go", "examples/servers/net-http"];
    let files: Vec<_> = folders.into_iter().flat_map(sources).collect();
    assert!(files.len() > folders.len(), "{files:?}");
    let files = files.iter().map(|path| path.to_str().unwrap());
    let args: Vec<_> = ["--with", "gofmt", "-l"].into_iter().chain(files).collect();
    assert_eq!(go(&run, &args).await, "", "these are not as gofmt would have them");
}

/// After a change of those: `DROVER_REGENERATE=1 cargo test -p drover-e2e --test e2e go_module`.
#[tokio::test]
async fn the_messages_of_the_go_module_are_what_the_proto_files_say() {
    let Some(run) = GO.installed().await else { return };
    let fresh = tempfile::tempdir().unwrap();
    go(&run, &["--generate", fresh.path().to_str().unwrap()]).await;
    let kept = sources("packages/go/pb");
    assert_eq!(kept.len(), fresh.path().read_dir().unwrap().count());
    for path in kept {
        let text = fs::read_to_string(fresh.path().join(path.file_name().unwrap())).unwrap();
        if std::env::var_os("DROVER_REGENERATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let is_current = fs::read_to_string(&path).unwrap() == text;
        assert!(is_current, "{} is stale: run this test with DROVER_REGENERATE=1", path.display());
    }
}
