//! What the libraries prove themselves with masters of their own: a worker serves on with a successor of its master. That of Go does so beside
//! its golden frames.

use super::language::{Language, output_of};

#[tokio::test]
async fn the_library_in_node_connects_again_and_notices_what_is_lost() {
    let Some(run) = Language::new("node").installed().await else { return };
    let output = output_of(&run, &["--test", "again.test.js"]).await;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Not none: a runner that finds no test is content, too.
    assert!(output.status.success() && said.contains("# pass 12\n"), "{said}");
}
