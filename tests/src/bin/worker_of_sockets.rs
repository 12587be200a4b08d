//! No vice. Greets each connection on the Unix socket "api" and each datagram on "dns" with its slot and pid. Without a master it
//! serves at E2E_API and E2E_DNS, and says "ready" where it would say Started.

use std::error::Error;

use drover_worker::MessageBus;
use tokio::io::AsyncWriteExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = MessageBus::builder();
    for (name, variable) in [("api", "E2E_API"), ("dns", "E2E_DNS")] {
        if let Some(address) = drover_e2e::setting::<String>(variable) {
            builder = builder.standalone_listen(name, address);
        }
    }
    let bus = builder.connect().await?;
    let (api, dns) = (bus.unix_listener("api")?, bus.udp_socket("dns")?);
    bus.started().await?;
    if bus.is_standalone() {
        drover_e2e::say("ready");
    }
    let greeting = format!("{} {}\n", bus.identity().slot, std::process::id());
    let mut datagram = [0; 64];
    loop {
        tokio::select! {
            accepted = api.accept() => accepted?.0.write_all(greeting.as_bytes()).await?,
            received = dns.recv_from(&mut datagram) => {
                dns.send_to(greeting.as_bytes(), received?.1).await?;
            }
            _ = bus.stop_requested() => break,
        }
    }
    drop((api, dns));
    bus.stopped().await?;
    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}
