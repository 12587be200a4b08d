//! Many clients at once.

use crate::harness::{Home, Running};
use crate::operate::started;

#[test]
fn half_the_verbs_at_once_from_ten_clients_leave_a_consistent_master() {
    let home = Home::new();
    let master = started(&home);
    let verbs: [&[&str]; 10] = [
        &["restart", "web"],
        &["restart", "web/0"],
        &["stop", "web/1"],
        &["start", "web/1"],
        &["restart", "*/0"],
        &["signal", "KILL", "web/0"],
        &["status", "--json"],
        &["describe", "*"],
        &["stop", "web", "--no-wait"],
        &["start", "web", "--timeout", "10s"],
    ];
    for _ in 0..3 {
        let clients: Vec<Running> = verbs.iter().map(|verb| home.start(verb)).collect();
        for (client, verb) in clients.into_iter().zip(verbs) {
            let ended = client.end();
            // Done, or refused or failed because of what another one did; never unanswered.
            assert!(matches!(ended.code, Some(0 | 1 | 3)), "{verb:?}: {ended:#?}");
        }
    }
    // Whatever came of it, it can be brought to what is wanted, and it is what it says.
    assert_eq!(home.run(&["start", "web", "slow"]).code, Some(0));
    assert_eq!(home.run(&["wait", "web", "slow", "--for", "ready", "--timeout", "20s"]).code, Some(0));
    let status = home.status();
    let mut pids: Vec<u64> = status["apps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|app| app["workers"].as_array().unwrap())
        .map(|worker| worker["pid"].as_u64().unwrap_or_else(|| panic!("{worker}")))
        .collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 3, "{status}");
    home.down(master);
}
