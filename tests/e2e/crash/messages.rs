//! Messages on the bus while one master follows the other.

use std::process::Output;

use super::counts::{counted, counters};
use super::home::Home;

const DELIVERED: &str = r#"drover_bus_messages_total{app="a"}"#;

#[test]
fn a_request_that_was_under_way_gets_one_error_and_subscriptions_go_on() {
    let worker = program!("worker_bus");
    let home = Home::up(
        "messages",
        &format!(
            "[master]\nhttp = {{ listen = \"unix:DIR/http.sock\" }}\n\
             [app.a]\ncommand = [\"{worker}\"]\nworkers = 2\nprotocol = \"drover\"\n"
        ),
    );
    let before = home.until_ready("a", 2);
    home.run(&["send", "a/0", "subscribe", "news", "--request"]);
    home.run(&["send", "a/1", "sulk"]);
    let delivered = counters(&home)[DELIVERED];
    // One that a client waits for, and one that a worker waits for, which the client waits for: neither will be answered.
    let (asked, relayed) = (
        home.begin(&["send", "a/1", "echo", "hello", "--request", "--timeout", "60s"]),
        home.begin(&["send", "a/0", "ask", "2", "--request", "--timeout", "60s"]),
    );
    counted(&home, &[(DELIVERED, delivered + 3.0)]);
    let after = home.crash();
    for asked in [asked, relayed] {
        let told = asked.wait_with_output().unwrap();
        let Output { status, stdout, stderr } = &told;
        assert_eq!((status.code(), &stdout[..]), (Some(6), &b""[..]), "{told:?}");
        let words = String::from_utf8_lossy(stderr);
        assert_eq!(words.matches("before all replies had come").count(), 1, "{words}");
    }
    assert_eq!(super::home::pids_of(&after), super::home::pids_of(&before), "{}", home.log());
    // It waits for no answer any more: it says what came of it, and obeys.
    let published = home.until("its subscription", || {
        let published = home.output_of(&["send", "a", "news", "1", "--publish"]);
        String::from_utf8_lossy(&published.stderr).contains("sent to 1 worker").then_some(published)
    });
    assert!(published.status.success(), "{published:?}");
    let count = home.output_of(&["send", "a/0", "count", "--request"]);
    assert_eq!((count.status.code(), &count.stdout[..]), (Some(0), &b"1\n"[..]), "{count:?}\n{}", home.log());
    assert!(counters(&home)[DELIVERED] >= delivered + 5.0);
    home.end();
}
