//! The Java package as one gets it: its jars, in a folder with nothing else of this repository.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::language::{Language, output_of};

/// Puts the built jars beside the `App.java` of a folder, and compiles that; whether this can be done here, which the gate demands.
pub(crate) async fn builds(app: &Path) -> bool {
    let Some(run) = Language::new("java").installed().await else { return false };
    for jar in ["drover-worker.jar", "protobuf-java.jar"] {
        fs::copy(run.with_file_name(".deps/package").join(jar), app.join(jar)).unwrap();
    }
    let mut javac = Command::new("javac");
    javac.arg("App.java").current_dir(app);
    let output = tokio::task::spawn_blocking(move || javac.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

#[tokio::test]
async fn the_java_package_passes_its_own_tests() {
    let Some(run) = Language::new("java").installed().await else { return };
    let output = output_of(&run, &["--test-package"]).await;
    let (said, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("8 passed, 0 failed"), "{said}{complaints}");
}

#[test]
fn the_java_package_has_the_version_of_drover() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packages/java");
    let version = env!("CARGO_PKG_VERSION");
    for (file, line) in [
        ("pom.xml", format!("<artifactId>drover-worker</artifactId>\n  <version>{version}</version>\n")),
        (
            "src/main/java/drover/worker/DroverWorker.java",
            format!("public static final String VERSION = \"{version}\";\n"),
        ),
    ] {
        let text = fs::read_to_string(package.join(file)).unwrap();
        assert!(text.contains(&line), "packages/java/{file} has not {line}");
    }
}
