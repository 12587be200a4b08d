//! A master in a process of its own, to be signalled and killed: `master none|drover WORKER [LISTEN]`.
//!
//! Says `ready PORT PID…` (port 0 without a listener) and `ended: …`. With `E2E_SIGNALS` it obeys SIGINT and SIGTERM, with
//! `E2E_RELOADS` SIGHUP too, with `E2E_EVENTS` it says the name of each event, `E2E_ARGS` are the worker's arguments, and
//! `E2E_USER` is the id that workers run as.

use std::process::ExitCode;
use std::time::Duration;

use drover_master::config::{Output, Protocol, StartPolicy, StopPolicy};
use drover_master::{Command, Master, Signals};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    drover_e2e::die_with_the_test();
    let mut args = std::env::args().skip(1);
    let protocol = match args.next().as_deref() {
        Some("none") => Protocol::None,
        Some("drover") => Protocol::Drover,
        other => panic!("none or drover expected, got {other:?}"),
    };
    let worker = args.next().expect("a worker is named");
    let listen = args.next();
    let arguments = drover_e2e::setting::<String>("E2E_ARGS").unwrap_or_default();
    let mut command = Command::new(worker).args(arguments.split_whitespace());
    if let Some(user) = drover_e2e::setting::<String>("E2E_USER") {
        command = command.user(&user).group(user);
    }
    let mut builder = Master::builder("app", command)
        .workers(2)
        .protocol(protocol)
        .start_policy(StartPolicy { min_uptime: Duration::from_millis(50), ..StartPolicy::default() })
        .stop_policy(StopPolicy {
            drain_timeout: Duration::from_millis(drover_e2e::setting("E2E_DRAIN_MS").unwrap_or(20_000)),
            ..StopPolicy::default()
        })
        .output(Output::Discard);
    if let Some(listen) = &listen {
        builder = builder.listen("http", listen);
    }
    if drover_e2e::setting::<u8>("E2E_SIGNALS").is_some() {
        let reloads = drover_e2e::setting::<u8>("E2E_RELOADS").is_some();
        let signals = Signals::shutdown();
        builder = builder.signals(if reloads { signals.reload_on_hangup() } else { signals });
    }
    let master = builder.build().expect("the values can be meant");
    if drover_e2e::setting::<u8>("E2E_EVENTS").is_some() {
        let mut events = master.events();
        tokio::spawn(async move {
            while let Ok(event) = events.next().await {
                drover_e2e::say(event.name());
            }
        });
    }
    if let Err(error) = master.start().await {
        let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
        drover_e2e::complain(&format!("{error}{}", source.unwrap_or_default()));
        return ExitCode::FAILURE;
    }
    let pids: Vec<String> =
        master.snapshot().workers.iter().filter_map(|worker| Some(worker.pid?.to_string())).collect();
    let port = master.listener_addr("http").map_or(0, |addr| addr.port());
    drover_e2e::say(&format!("ready {port} {}", pids.join(" ")));
    let outcome = master.wait().await.expect("the runtime lives");
    drover_e2e::say(&format!("ended: {outcome}"));
    ExitCode::SUCCESS
}
