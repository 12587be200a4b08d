//! Asks a worker from outside whether it is ready. No event tells when a program begins to listen, so it is tried at a
//! distance, until it succeeds; the worker's start deadline bounds it.

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::config::{Probe, ProbeKind};

/// Resolves once the probe has passed.
pub(crate) async fn until_passed(probe: &Probe) {
    while !passes(probe).await {
        sleep(probe.interval).await;
    }
}

async fn passes(probe: &Probe) -> bool {
    match &probe.kind {
        ProbeKind::Tcp { addr } => {
            matches!(timeout(probe.timeout, TcpStream::connect(addr)).await, Ok(Ok(_)))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_tcp_probe_passes_once_somebody_listens() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let probe = Probe::tcp(addr.to_string());
        assert!(!passes(&probe).await);
        let waiting = tokio::spawn(async move { until_passed(&probe).await });
        let _listening = TcpListener::bind(addr).await.unwrap();
        timeout(std::time::Duration::from_secs(20), waiting).await.unwrap().unwrap();
    }
}
