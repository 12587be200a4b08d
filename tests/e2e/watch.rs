//! Apps whose files are watched.

use std::fs;
use std::path::Path;
use std::time::Duration;

use drover_e2e::harness::{Names, Several, patiently};
use drover_master::config::{AppSpec, RestartPolicy, RestartWhen, WatchAction, WatchPolicy};
use drover_master::supervisor::{End, Standing, Supervisor};
use drover_master::{EventKind, MasterBuilder, Request};

use crate::composite::plain;

/// `web`, whose directory is watched; and the directory.
async fn watched(names: Names, action: WatchAction) -> (Several, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("src")).unwrap();
    let mut spec: AppSpec = plain(names.app("web", program!("worker_plain"))).spec().clone();
    // One end that nobody asked for would be the last.
    spec.restart = RestartPolicy { when: RestartWhen::Never, ..RestartPolicy::default() };
    spec.watch = Some(WatchPolicy {
        paths: vec![dir.path().to_owned()],
        debounce: Duration::from_millis(100),
        action,
        ..WatchPolicy::default()
    });
    let mut apps = names.run(Supervisor::builder().app(MasterBuilder::from_spec(spec)));
    apps.until("web", "app_started").await;
    (apps, dir)
}

/// Changes a file until that is seen; the watch may not stand yet.
async fn until_fired(apps: &mut Several, file: &Path) -> String {
    loop {
        fs::write(file, "changed").unwrap();
        if let Ok(event) =
            tokio::time::timeout(Duration::from_secs(2), apps.until("web", "watch_fired")).await
        {
            return event.kind.detail();
        }
    }
}

#[tokio::test]
async fn a_change_restarts_the_app_as_often_as_it_likes_and_names_the_file() {
    let (mut apps, dir) = watched(Names::new(), WatchAction::Restart).await;
    let file = dir.path().join("src/main.js");
    for _ in 0..3 {
        let told = until_fired(&mut apps, &file).await;
        assert!(told.contains("src/main.js") && told.ends_with("changed: restart"), "{told}");
        let exited = apps.until("web", "exited").await;
        let EventKind::Exited { exit } = &exited.kind else { panic!("{exited:?}") };
        let by = exit.asked_by.as_deref().unwrap_or_default();
        assert!(by.starts_with("a change of ") && by.ends_with("src/main.js"), "{by}");
        apps.until("web", "started").await;
    }
    let web = apps.name("web");
    patiently("the stop", apps.handle().stop_app(&web, Request::Shutdown, "a test")).await.unwrap();
    // Whoever stopped it wants it to be down.
    fs::write(&file, "again").unwrap();
    assert_eq!(apps.handle().standings(), [Standing::Held]);
    apps.handle().shutdown().await;
    let (end, _) = apps.end().await;
    assert_eq!(end.end, End::ShutDown);
}

#[tokio::test]
async fn a_change_reloads_the_app() {
    let (mut apps, dir) = watched(Names::new(), WatchAction::Reload).await;
    let told = until_fired(&mut apps, &dir.path().join("app.toml")).await;
    assert!(told.ends_with("changed: reload"), "{told}");
    apps.until("web", "reload_started").await;
    apps.until("web", "committed").await;
    apps.handle().shutdown().await;
    assert_eq!(apps.end().await.0.end, End::ShutDown);
}
