//! Redis, which says by `sd_notify(3)` when it is ready.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use drover_e2e::harness::PATIENCE;

use crate::site::Site;

/// One command, and the line that it is answered with; a text has its length before it.
fn asked(host: Ipv4Addr, command: &str) -> String {
    let mut stream = TcpStream::connect((host, 6379)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{command}\r\n").unwrap();
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap().unwrap();
    if first.starts_with('$') { lines.next().unwrap().unwrap() } else { first }
}

#[tokio::test]
async fn redis_is_ready_when_it_says_so_and_keeps_its_data_over_a_crash_and_a_reload() {
    let Some(mut site) = Site::of("programs/redis", &["redis-server"]) else { return };
    site.start().await;
    let host = site.host();
    assert_eq!(site.worker().await["status"], "Ready to accept connections");
    assert_eq!(asked(host, "SET answer 42"), "+OK");

    let exit = site.back_after_a_kill().await;
    assert_eq!((&exit["kind"], &exit["signal"]), (&"external_signal".into(), &"SIGKILL".into()), "{exit}");
    // Ready is ready: no try is needed, and what it had is loaded.
    assert_eq!(asked(host, "GET answer"), "42");

    let old = site.pid().await;
    site.run(&["reload", "redis"]).await;
    assert_ne!(site.pid().await, old);
    assert_eq!(asked(host, "GET answer"), "42");
    let log = site.end().await;
    let in_order = "drover: redis/0 stopped: exited with code 0 while quitting\n";
    assert_eq!(log.matches(in_order).count(), 2, "by the reload, and at the end: {log}");
}

#[tokio::test]
async fn redis_that_can_not_read_its_configuration_fails_the_start_with_its_own_words() {
    let Some(mut site) = Site::of("programs/redis", &["redis-server"]) else { return };
    site.change("redis.conf", "appendonly yes", "appendonly perhaps");
    site.launch();
    assert_eq!(site.is_over().await.code(), Some(1));
    let log = site.log();
    assert!(log.contains("app `redis` failed to start: worker 0 exited with code 1 while starting"), "{log}");
    assert!(log.contains("argument must be 'yes' or 'no'"), "{log}");
}
