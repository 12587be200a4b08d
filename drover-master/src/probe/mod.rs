//! Asks a worker from outside. No event tells when a program begins to serve, so it is tried at a distance, until it succeeds;
//! the worker's start deadline bounds it. How it is later is asked once at a time, when the machine says so.

mod check;
mod http;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

pub(crate) use self::check::Surroundings;
use crate::config::{Probe, ProbeKind};
use crate::process::AwaitedText;

/// How long the program of a try may take to end at its timeout, before the try has failed without that.
const LEFT_TO_END: Duration = Duration::from_millis(500);

/// Asks one worker, try by try.
#[derive(Debug)]
pub(crate) struct Prober {
    probe: Probe,
    surroundings: Surroundings,
    /// What listens to it, of a probe that listens.
    awaited: Option<Arc<AwaitedText>>,
    /// Why it was not ready when it was asked last.
    last: Option<Arc<str>>,
}

impl Prober {
    pub(crate) fn new(probe: Probe, surroundings: Surroundings, awaited: Option<Arc<AwaitedText>>) -> Self {
        Self { probe, surroundings, awaited, last: None }
    }

    /// Resolves once the probe has passed, or fails for another reason than before.
    pub(crate) async fn until_news(&mut self) -> Result<(), Arc<str>> {
        loop {
            if self.last.is_some() {
                match &self.awaited {
                    Some(awaited) => awaited.until_heard(self.probe.interval).await,
                    None => sleep(self.probe.interval).await,
                }
            }
            let Err(reason) = self.ask().await else { return Ok(()) };
            if self.last.as_deref() != Some(&*reason) {
                let reason: Arc<str> = reason.into();
                self.last = Some(Arc::clone(&reason));
                return Err(reason);
            }
        }
    }

    /// One try, in bounded time; a failed one tells why.
    pub(crate) async fn once(&self) -> Result<(), String> {
        let within = self.probe.timeout;
        // A program that does not end by SIGKILL keeps its turn, and this try its own time.
        let bounded = timeout(within.saturating_add(LEFT_TO_END), self.ask());
        bounded.await.unwrap_or_else(|_| Err(format!("took longer than {within:?}")))
    }

    /// A try; a failed one tells why.
    async fn ask(&self) -> Result<(), String> {
        let within = self.probe.timeout;
        match &self.probe.kind {
            ProbeKind::Tcp { addr } => match timeout(within, TcpStream::connect(addr)).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(unconnected(addr, &error)),
                Err(_) => Err(format!("a connection to {addr} took longer than {within:?}")),
            },
            ProbeKind::Http { url, host, status } => {
                let answer = timeout(within, http::status(url, host.as_deref())).await;
                let answer = answer.unwrap_or_else(|_| Err(format!("took longer than {within:?}")));
                match answer {
                    Ok(code) if is_good(code, status) => Ok(()),
                    Ok(code) => Err(format!("GET {} answered {code}", url.path)),
                    Err(trouble) => Err(format!("GET {}: {trouble}", url.path)),
                }
            }
            ProbeKind::Exec { program, args } => {
                let failed = |trouble| format!("{} {trouble}", program.display());
                self.surroundings.check(program, args, within).await.map_err(failed)
            }
            ProbeKind::Log { .. } => match &self.awaited {
                Some(awaited) => awaited.verdict(),
                None => Err("it was started before anybody listened to it".to_owned()),
            },
        }
    }
}

/// Without a list, whatever is not an error.
fn is_good(code: u16, wanted: &[u16]) -> bool {
    if wanted.is_empty() { (200..400).contains(&code) } else { wanted.contains(&code) }
}

fn unconnected(addr: impl std::fmt::Display, error: &io::Error) -> String {
    format!("no connection to {addr}: {error}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Command;

    fn asker(probe: Probe) -> Prober {
        Prober::new(probe, Surroundings::of("app", Command::new("true")), None)
    }

    #[tokio::test]
    async fn a_tcp_probe_passes_once_somebody_listens() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let mut asker = asker(Probe::tcp(addr.to_string()));
        let reason = asker.until_news().await.unwrap_err();
        assert!(reason.starts_with(&format!("no connection to {addr}: ")), "{reason}");
        // The same reason is not news.
        let waiting = tokio::spawn(async move { asker.until_news().await });
        let _listening = TcpListener::bind(addr).await.unwrap();
        timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap();
    }

    #[test]
    fn what_is_no_error_is_good_unless_the_codes_are_listed() {
        assert_eq!(
            [199, 200, 302, 399, 400, 503].map(|code| is_good(code, &[])),
            [false, true, true, true, false, false]
        );
        assert_eq!([200, 204, 503].map(|code| is_good(code, &[204, 503])), [false, true, true]);
    }
}
