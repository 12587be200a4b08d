//! Takes each step of its life once there is a file for it, and ends in the middle of any with 42 once there is a file `fate-PID`.
//! `E2E_KIND` is how it tells of itself: `plain` not at all, `notify` as by `sd_notify(3)`, `drover` by the protocol.
//!
//! | file | it |
//! | --- | --- |
//! | `go` | is ready |
//! | `drained` | has no work left, of the protocol |
//! | `leave` | leaves when it is asked to |

use std::error::Error;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use drover_worker::MessageBus;
use tokio::signal::unix::{SignalKind, signal};

type Anything = Box<dyn Error>;

/// How often it looks for a file.
const AGAIN: Duration = Duration::from_millis(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Anything> {
    if drover_e2e::setting::<u8>("E2E_TRACE").is_some() {
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr).init();
    }
    let own = format!("fate-{}", std::process::id());
    let kind = std::env::var("E2E_KIND")?;
    let life = async {
        match &*kind {
            "drover" => of_protocol().await,
            kind => by_signals(kind == "notify").await,
        }
    };
    tokio::select! {
        () = file(&own) => Ok(42.into()),
        ended = life => ended.map(|()| ExitCode::SUCCESS),
    }
}

async fn by_signals(notifies: bool) -> Result<(), Anything> {
    // What a suspension is told by.
    let _pause = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
    let mut term = signal(SignalKind::terminate())?;
    let ready = async {
        if notifies {
            file("go").await;
            UnixDatagram::unbound()?.send_to(b"READY=1", std::env::var("NOTIFY_SOCKET")?)?;
        }
        std::future::pending::<Result<(), Anything>>().await
    };
    tokio::select! {
        _ = term.recv() => {}
        failed = ready => failed?,
    }
    file("leave").await;
    Ok(())
}

async fn of_protocol() -> Result<(), Anything> {
    let bus = MessageBus::builder().resumable().connect().await?;
    tokio::select! {
        _ = bus.stop_requested() => {}
        () = file("go") => bus.started().await?,
    }
    loop {
        bus.stop_requested().await;
        file("drained").await;
        bus.stopped().await?;
        // None: it is asked to leave.
        if bus.resume_requested().await.is_none() {
            break;
        }
        bus.started().await?;
    }
    bus.quit_requested().await;
    file("leave").await;
    bus.shut_down().await?;
    Ok(())
}

async fn file(name: &str) {
    while !Path::new(name).exists() {
        tokio::time::sleep(AGAIN).await;
    }
}
