use std::path::Path;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

/// Far longer than a change takes to be seen, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

struct Site {
    dir: TempDir,
    watch: FileWatch,
}

impl Site {
    fn of(paths: &[&str], ignore: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs_make(dir.path());
        let paths = paths.iter().map(|path| dir.path().join(path)).collect();
        let ignore: Vec<String> = ignore.iter().map(|glob| (*glob).to_owned()).collect();
        let watch =
            FileWatch::begin(dir.path().to_owned(), paths, &ignore, Duration::from_millis(20)).unwrap();
        Self { dir, watch }
    }

    fn write(&self, path: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "changed").unwrap();
    }

    /// Changes a file until it is seen: the thread may not watch yet. Then waits until nothing more is told of it.
    async fn until_watched(&mut self, path: &str) {
        let is_seen = async {
            loop {
                self.write(path);
                let news = timeout(Duration::from_millis(200), self.watch.next()).await;
                if matches!(news, Ok(FileNews::Changed(changed)) if changed.file == Path::new(path)) {
                    break;
                }
            }
        };
        timeout(PATIENCE, is_seen).await.expect("it is seen");
        while timeout(Duration::from_millis(200), self.watch.next()).await.is_ok() {}
    }

    /// The first file of the next change, below the directory.
    async fn next(&mut self) -> String {
        let news = timeout(PATIENCE, self.watch.next()).await.expect("it is seen");
        let FileNews::Changed(changed) = news else { panic!("{news:?}") };
        changed.file.display().to_string()
    }
}

fn fs_make(dir: &Path) {
    for path in ["src/deep/a.js", "node_modules/b.js", "app.toml"] {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
}

#[tokio::test]
async fn changes_are_seen_at_any_depth_and_in_directories_that_come_later_but_not_where_nobody_means_them() {
    let mut site = Site::of(&["."], &["*.md"]);
    site.until_watched("src/deep/a.js").await;
    site.until_watched("src/later/deeper/c.js").await;
    for ignored in ["node_modules/b.js", "src/README.md", ".git/index", "src/a.js~"] {
        site.write(ignored);
    }
    site.write("src/later/deeper/d.js");
    // Each is seen in the order in which it changed.
    assert_eq!(site.next().await, "src/later/deeper/d.js");
    std::fs::remove_file(site.dir.path().join("src/deep/a.js")).unwrap();
    assert_eq!(site.next().await, "src/deep/a.js");
    std::fs::rename(site.dir.path().join("src/later"), site.dir.path().join("src/moved")).unwrap();
    site.until_watched("src/moved/deeper/e.js").await;
}

#[tokio::test]
async fn a_file_is_watched_by_its_name_and_a_directory_though_it_is_not_there_yet() {
    let mut site = Site::of(&["app.toml", "conf/d"], &[]);
    site.until_watched("app.toml").await;
    site.write("other.toml");
    // As editors save: another file takes the name.
    site.write("app.toml.new");
    std::fs::rename(site.dir.path().join("app.toml.new"), site.dir.path().join("app.toml")).unwrap();
    assert_eq!(site.next().await, "app.toml");
    site.until_watched("conf/d/x.toml").await;
    std::fs::remove_file(site.dir.path().join("conf/d/x.toml")).unwrap();
    std::fs::remove_dir(site.dir.path().join("conf/d")).unwrap();
    std::fs::remove_dir(site.dir.path().join("conf")).unwrap();
    site.until_watched("conf/d/y.toml").await;
}

#[tokio::test]
async fn its_thread_ends_with_it() {
    let mut site = Site::of(&["."], &[]);
    site.until_watched("app.toml").await;
    let shared = Arc::downgrade(&site.watch.0);
    drop(site);
    let ended = async {
        while shared.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ended).await.expect("nobody holds it");
}
