//! Under load no request is lost, whatever becomes of the master.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use drover_e2e::load::exchange::Form;
use drover_e2e::load::generator::{Clients, Load, Service};

use super::home::{Home, app_of, pids_of};

/// How often the master is killed; each second time in the middle of a reload.
const CRASHES: usize = 10;

/// Clients of each kind.
const CLIENTS: Clients = Clients { once: 3, kept: 3, slow: 3 };

/// How many requests have to be answered.
const REQUESTS: u64 = 300;

/// How long that may take on a machine that has much else to do.
const ENOUGH: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_while_masters_are_killed_and_upgraded() {
    for mode in ["shared", "reuseport"] {
        let (home, addr) = tokio::task::spawn_blocking(move || serving(mode)).await.unwrap();
        let home = Arc::new(home);
        let load = Load::greedy(Service { form: Form::Echo, ..Service::at(addr) }, CLIENTS);
        load.until(REQUESTS / 5, ENOUGH).await;
        let shared = Arc::clone(&home);
        tokio::task::spawn_blocking(move || crash_reload_and_upgrade(&shared)).await.unwrap();
        load.until(REQUESTS, ENOUGH).await;
        let tally = load.end().await;
        drover_e2e::complain(&format!("{mode}, {CRASHES} masters killed and one upgraded: {tally}"));
        assert_eq!(tally.failed(), 0, "{mode}: {tally:#}\n{}", home.log());
        let home = Arc::into_inner(home).unwrap();
        tokio::task::spawn_blocking(move || home.end()).await.unwrap();
    }
}

fn serving(mode: &str) -> (Home, SocketAddr) {
    let program = program!("server_axum");
    let toml = format!(
        "[sockets.http]\nlisten = \"127.0.0.1:0\"\nmode = \"{mode}\"\n[app.web]\ncommand = \"{program}\"\nworkers = 2\n\
         protocol = \"drover\"\nsockets = [\"http\"]\nstop.drain_timeout = \"20s\"\n"
    );
    let home = Home::up(mode, &toml);
    let status = home.until_ready("web", 2);
    let listener = app_of(&status, "web")["listeners"][0].as_str().unwrap().to_owned();
    (home, listener.strip_prefix("http=").unwrap().parse().unwrap())
}

fn crash_reload_and_upgrade(home: &Home) {
    for round in 1..=CRASHES / 2 {
        let before = pids_of(&home.until_ready("web", 2));
        assert_eq!(pids_of(&home.crash()), before, "{}", home.log());
        let reload = home.begin(&["reload", "web"]);
        let generation = round + 1;
        home.until_so("a reload", |status| {
            let app = app_of(status, "web");
            app["operation"] == "reload" || app["generation"] == generation
        });
        home.crash();
        // Its master is gone, so what it tells is another test's.
        let _ = reload.wait_with_output();
        let after = home.until_ready("web", 2);
        assert_eq!(app_of(&after, "web")["generation"], generation, "{}", home.log());
        assert!(pids_of(&after).is_disjoint(&before));
    }
    let before = pids_of(&home.until_ready("web", 2));
    home.run(&["upgrade"]);
    assert_eq!(pids_of(&home.until_ready("web", 2)), before, "{}", home.log());
}
