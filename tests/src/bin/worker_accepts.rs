//! No vice. Tells each connection on "http" its slot, as one byte; with `E2E_PLAIN` by tokio's own listener.

use std::error::Error;
use std::io::Write;

use drover_worker::MessageBus;
use tokio::net::TcpStream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let is_plain = drover_e2e::setting::<u8>("E2E_PLAIN").is_some();
    MessageBus::builder()
        .serve(async |bus| {
            let slot = u8::try_from(bus.identity().slot)?;
            let listener = bus.listener("http")?;
            // A new connection has room for a byte, whatever tokio knows of it yet.
            let tell = |stream: TcpStream| stream.into_std()?.write(&[slot]);
            if is_plain {
                let listener = tokio::net::TcpListener::from_std(listener.into_std()?)?;
                bus.started().await?;
                loop {
                    tokio::select! {
                        accepted = listener.accept() => drop(tell(accepted?.0)),
                        _ = bus.stop_requested() => return Ok(()),
                    }
                }
            }
            bus.started().await?;
            loop {
                tokio::select! {
                    accepted = listener.accept() => drop(tell(accepted?.0)),
                    _ = bus.stop_requested() => return Ok::<_, Box<dyn Error>>(()),
                }
            }
        })
        .await
}
