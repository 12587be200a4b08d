//! Runs the examples as a user does, from the terminal's side: what they print, what they answer, how they end.

#![expect(clippy::unwrap_used, reason = "a test ends where what it needs is not there")]

mod by_hand;
mod described;
mod ends;
mod failed_start;
mod healing;
mod http;
mod messages;
mod program;
mod reloading;
mod scaling;
mod statuses;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_cli::config::{self, Config};

/// How long anything may take. Only a test that fails waits for so long.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `what`, for as long as anything may take.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(done) => done,
        Err(_) => panic!("{DEADLINE:?} have passed without {what}"),
    }
}

/// An example: its binaries, and where it is.
struct Example {
    main: &'static str,
    worker: &'static str,
    folder: &'static str,
    /// By which variable each app is told where to listen.
    variables: &'static [(&'static str, &'static str)],
}

const SINGLE_APP_CLUSTER: Example = Example {
    main: env!("CARGO_BIN_EXE_single-app-cluster"),
    worker: env!("CARGO_BIN_EXE_single-app-cluster-worker"),
    folder: "single-app-cluster",
    variables: &[("app", "LISTEN")],
};

const MULTI_APP_CLUSTER: Example = Example {
    main: env!("CARGO_BIN_EXE_multi-app-cluster"),
    worker: env!("CARGO_BIN_EXE_multi-app-cluster-worker"),
    folder: "multi-app-cluster",
    variables: &[("foo", "FOO_LISTEN"), ("bar", "BAR_LISTEN"), ("baz", "BAZ_LISTEN")],
};

const SINGLE_APP_INSTANCE: Example = Example {
    main: env!("CARGO_BIN_EXE_single-app-instance"),
    worker: env!("CARGO_BIN_EXE_single-app-instance-worker"),
    folder: "single-app-instance",
    variables: &[("app", "LISTEN")],
};

const RUNTIME_SCALING: Example = Example {
    main: env!("CARGO_BIN_EXE_runtime-scaling"),
    worker: env!("CARGO_BIN_EXE_runtime-scaling-worker"),
    folder: "runtime-scaling",
    variables: &[("foo", "FOO_LISTEN"), ("bar", "BAR_LISTEN")],
};

const GRACEFUL_RELOAD: Example = Example {
    main: env!("CARGO_BIN_EXE_graceful-reload"),
    worker: env!("CARGO_BIN_EXE_graceful-reload-worker"),
    folder: "graceful-reload",
    variables: &[("foo", "FOO_LISTEN"), ("bar", "BAR_LISTEN")],
};

const MESSAGE_BUS: Example = Example {
    main: env!("CARGO_BIN_EXE_message-bus"),
    worker: env!("CARGO_BIN_EXE_message-bus-worker"),
    folder: "message-bus",
    variables: &[("app", "LISTEN")],
};

impl Example {
    fn file(&self, name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.folder).join(name)
    }

    /// What its `drover.toml` says.
    fn config(&self) -> Config {
        config::load(&self.file("drover.toml")).unwrap_or_else(|error| panic!("{}", error.render(false)))
    }

    /// Its workers by their names, such as `app-0`, as its `drover.toml` counts them.
    fn workers(&self) -> Vec<String> {
        let mut names = Vec::new();
        for app in self.config().apps {
            names.extend(workers(&app.spec.name, app.spec.workers));
        }
        names
    }

    /// The workers of one app.
    fn workers_of(&self, app: &str) -> Vec<String> {
        let apps = self.config().apps;
        let app = apps.iter().find(|known| known.spec.name == app).unwrap();
        workers(&app.spec.name, app.spec.workers)
    }
}

fn workers(app: &str, count: u32) -> Vec<String> {
    (0..count).map(|slot| format!("{app}-{slot}")).collect()
}
