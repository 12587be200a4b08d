//! Apps whose files are watched, where the kernel watches no more.

use std::process::{Command, Stdio};

use crate::harness::{Home, Running, eventually, skipped};

/// Limits are of a user namespace too (namespaces(7)), where a test may lower them for itself alone.
const LOWERED: &str = "echo \"$1\" > /proc/sys/user/\"$0\" && shift && exec \"$@\"";

fn with_limit(name: &str, limit: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", LOWERED, name, limit]);
    command
}

#[test]
fn where_the_kernel_watches_no_more_an_app_runs_on_and_an_event_says_what_to_raise() {
    let probe = with_limit("max_inotify_watches", "1").arg("true").stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        skipped("no user namespace can be made here, so the limits of inotify are not lowered");
        return;
    }
    for (name, limit, remedy) in [
        ("max_inotify_watches", "3", "raise fs.inotify.max_user_watches, or ignore large directories"),
        ("max_inotify_instances", "0", "raise fs.inotify.max_user_instances"),
    ] {
        let home = Home::new();
        std::fs::create_dir_all(home.path("src/a/b/c/d/e")).unwrap();
        let file = "version = 1\n[app.web]\ncommand = \"sleep 1000\"\nstart.min_uptime = \"0s\"\nwatch = { paths = [\"src\"] }\n";
        home.write("drover.toml", file);
        let drover = home.drover(&["up"]);
        let mut command = with_limit(name, limit);
        command.arg(drover.get_program()).args(drover.get_args()).current_dir(home.dir());
        for (name, value) in drover.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let master = Running::start(&mut command);
        let worker = home.worker("web", 0, "started");
        let told = eventually("the trouble", || {
            let failed = home.events().into_iter().find(|event| event["event"] == "watch_failed")?;
            Some(failed["detail"].as_str().unwrap_or_default().to_owned())
        });
        assert!(told.contains(remedy), "{told}");
        assert_eq!(home.worker("web", 0, "started")["pid"], worker["pid"], "it runs on");
        home.down(master);
    }
}
