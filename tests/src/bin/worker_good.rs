//! No vice. Greets each connection on "http" with its slot and pid, then echoes lines; drains before it leaves. Says every
//! `E2E_PROGRESS_EVERY_MS`, if that is set, that it makes progress.

use std::error::Error;
use std::io;

use drover_worker::{Listener, MessageBus};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    if drover_e2e::setting::<u8>("E2E_TRACE").is_some() {
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(io::stderr).init();
    }
    let bus = MessageBus::connect().await?;
    let is_server =
        std::env::var("LISTEN_FDNAMES").is_ok_and(|names| names.split(':').any(|name| name == "http"));
    let listener = if is_server { Some(bus.listener("http")?) } else { None };
    tokio::time::sleep(drover_e2e::milliseconds("E2E_READY_AFTER_MS")).await;
    bus.started().await?;

    let slot = bus.identity().slot;
    let mut connections = JoinSet::new();
    let every = drover_e2e::milliseconds("E2E_PROGRESS_EVERY_MS");
    loop {
        tokio::select! {
            () = tokio::time::sleep(every), if !every.is_zero() => bus.progress(),
            stream = accept(listener.as_ref()) => drop(connections.spawn(echo(stream?, slot))),
            Some(_) = connections.join_next() => {}
            _ = bus.stop_requested() => break,
        }
        bus.status("serving", connections.len() as u64);
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
    bus.stopped().await?;
    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}

async fn accept(listener: Option<&Listener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => Ok(listener.accept().await?.0),
        None => std::future::pending().await,
    }
}

async fn echo(stream: TcpStream, slot: u32) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(format!("{slot} {}\n", std::process::id()).as_bytes()).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        stream.write_all(line.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
