//! No vice, and nothing to do: the smallest worker of the library. Without a master it says "ready" where it would say Started.

use std::error::Error;

use drover_worker::MessageBus;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus = MessageBus::connect().await?;
    bus.started().await?;
    if bus.is_standalone() {
        drover_e2e::say("ready");
    }
    bus.stop_requested().await;
    bus.stopped().await?;
    bus.quit_requested().await;
    bus.shut_down().await?;
    Ok(())
}
