//! PostgreSQL, which notifies, reads its files again at SIGHUP, and tells its clients to go at SIGINT.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::unistd::{User, geteuid};

use crate::site::{Site, skip};

/// Where the example says that it is.
const EXAMPLES_BIN: &str = "/usr/lib/postgresql/15/bin";

/// A site, and as whom it is run: as root another one, because PostgreSQL refuses root.
#[derive(Debug)]
struct Database {
    site: Site,
    bin: PathBuf,
    user: Option<User>,
}

impl Database {
    /// None if it can't be had here.
    async fn started() -> Option<Self> {
        let Some(bin) = bin() else {
            skip("postgres", "there is no PostgreSQL on this machine");
            return None;
        };
        let user = if geteuid().is_root() { User::from_name("postgres").unwrap() } else { None };
        if user.is_none() && geteuid().is_root() {
            skip("postgres", "there is no user `postgres` on this machine");
            return None;
        }
        let mut site = Site::of("programs/postgres", &[])?;
        site.change("drover.toml", EXAMPLES_BIN, bin.to_str().unwrap());
        match &user {
            Some(user) => {
                chown(site.path(""), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            }
            None => site.change("drover.toml", "user ", "# user "),
        }
        // A test's database need not outlive a power failure.
        site.change("drover.toml", "initdb --pgdata", "initdb --no-sync --pgdata");
        site.start().await;
        Some(Self { site, bin, user })
    }

    /// A client that asks one thing.
    fn client(&self, query: &str) -> Command {
        let mut command = Command::new(self.bin.join("psql"));
        command.args(["-X", "-A", "-t", "-d", "postgres", "-c", query, "-h"]).arg(self.site.path(""));
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    fn answer(&self, query: &str) -> String {
        let output = self.client(query).output().unwrap();
        assert!(output.status.success(), "{query}: {output:?}\n{}", self.site.log());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A client that asks for what takes long, and is at it.
    async fn patient_client(&self) -> Child {
        let mut command = self.client("SELECT pg_sleep(600)");
        let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        self.site.until("the client", || (self.answer(count) == "1").then_some(())).await;
        client
    }
}

/// Debian has its programs in a place by their version, and not in PATH.
fn bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let bins = versions.map(|version| version.path().join("bin"));
    let is_whole = |bin: &PathBuf| has(bin, "postgres") && has(bin, "initdb") && has(bin, "psql");
    bins.filter(is_whole).max()
}

fn has(bin: &Path, program: &str) -> bool {
    bin.join(program).is_file()
}

#[tokio::test]
async fn postgres_reads_its_files_again_and_sends_its_clients_away_when_it_has_to_leave() {
    let Some(database) = Database::started().await else { return };
    let pid = database.site.pid().await;
    assert_eq!(
        database.answer("CREATE TABLE kept (answer int); INSERT INTO kept VALUES (42)"),
        "CREATE TABLE\nINSERT 0 1"
    );

    let conf = database.site.path("data/postgresql.auto.conf");
    fs::write(conf, "work_mem = '12MB'\n").unwrap();
    database.site.run(&["reload", "postgres"]).await;
    let is_new = || (database.answer("SHOW work_mem") == "12MB").then_some(());
    database.site.until("the new setting", is_new).await;
    assert_eq!(database.site.pid().await, pid, "the process stays");

    let client = database.patient_client().await;
    let log = database.site.end().await;
    let client = client.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&client.stderr);
    assert!(said.contains("terminating connection due to administrator command"), "{said}");
    assert!(log.contains("database system is shut down"), "{log}");
}

#[tokio::test]
async fn postgres_that_was_killed_comes_back_though_its_clients_were_connected() {
    let Some(database) = Database::started().await else { return };
    database.answer("CREATE TABLE kept AS SELECT 42 AS answer");
    let client = database.patient_client().await;
    database.site.back_after_a_kill().await;
    assert!(!client.wait_with_output().unwrap().status.success());
    assert_eq!(database.answer("SELECT answer FROM kept"), "42");
    database.site.end().await;
}
