//! A verb that takes long says what it waits for.

use std::path::Path;
use std::time::Duration;

use drover_master::control::ControlClient;
use drover_proto::latest::{AppStatus, StatusReply};

use super::deadline::SOON;
use super::find;
use crate::args::Global;
use crate::output::{message, waits};

/// How often the verb checks whether it waits for something else by now.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// After this many looks the same is told again, since its time goes on.
const AGAIN: u32 = 15;

/// Says what the verb waits for, for as long as it is polled; never ends.
pub(super) async fn tell(global: &Global, is_meant: impl Fn(&AppStatus) -> bool) {
    say(global, is_meant, message::note).await;
}

/// The same, said in another way.
pub(super) async fn say(global: &Global, is_meant: impl Fn(&AppStatus) -> bool, say: impl Fn(&str)) {
    look(global, |reply| waits::waits(reply, &is_meant), say).await;
}

/// The same of a verb that waits for a state and has asked for nothing: nothing need be under way.
pub(super) async fn tell_standing(global: &Global, is_meant: impl Fn(&AppStatus) -> bool) {
    look(global, |reply| waits::waits_or_stands(reply, &is_meant), message::note).await;
}

/// The same of the master that serves at this socket, from now on.
pub(super) async fn tell_of(socket: &Path, is_meant: impl Fn(&AppStatus) -> bool, say: impl Fn(&str)) {
    look_at(socket, |reply| waits::waits(reply, &is_meant), say).await;
}

async fn look(global: &Global, lines: impl Fn(&StatusReply) -> Vec<String>, say: impl Fn(&str)) {
    if global.quiet {
        return std::future::pending().await;
    }
    tokio::time::sleep(SOON).await;
    match find::locate(global).await {
        Ok(socket) => look_at(&socket, lines, say).await,
        Err(_) => std::future::pending().await,
    }
}

async fn look_at(socket: &Path, lines: impl Fn(&StatusReply) -> Vec<String>, say: impl Fn(&str)) {
    let (mut told, mut looks) = (Vec::new(), 0);
    loop {
        // A connection for each look: one that lasts would take a place of those who have something to ask.
        let reply = match ControlClient::connect(socket).await {
            Ok(mut client) => client.status(&[]).await,
            Err(error) => Err(error),
        };
        // What can't be asked is at its end, or too busy to be asked only for this.
        if let Ok(reply) = reply {
            let lines = lines(&reply);
            let newest = waits::without_times(&lines);
            if !lines.is_empty() && (newest != told || looks >= AGAIN) {
                lines.iter().for_each(|line| say(&format!("still waiting: {line}")));
                (told, looks) = (newest, 0);
            }
            looks += 1;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
