//! A verb that takes long says what it waits for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_master::control::{ClientError, ControlClient};
use drover_proto::latest::{AppStatus, StatusReply};
use tokio::time::Instant;

use super::deadline::SOON;
use super::find;
use crate::args::Global;
use crate::output::course::{Course, CourseScope};
use crate::output::live::{BRIEF, EACH, LiveLine};
use crate::output::{message, waits};

/// How often the verb checks whether it waits for something else by now.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// After this many looks the same is told again, since its time goes on.
const AGAIN: u32 = 15;

/// How long after a status a new one is asked for without news: deadlines of workers are put off without any.
const REFRESH: Duration = Duration::from_secs(2);

/// Asking for a status takes no more than one part in so many of the time, however many workers there are.
const SHARE: u32 = 10;

/// Says what the verb waits for, for as long as it is polled; never ends. At a terminal a line shows it from the beginning.
pub(super) async fn tell(global: &Global, is_meant: impl Fn(&AppStatus) -> bool) {
    match line(global) {
        Some(line) => {
            tokio::time::sleep(BRIEF).await;
            show(&line, &located(global).await, is_meant).await;
        }
        None => look(global, |reply| waits::waits(reply, &is_meant)).await,
    }
}

/// The same of a verb that waits for a state and has asked for nothing: nothing need be under way. It has no line.
pub(super) async fn tell_standing(global: &Global, is_meant: impl Fn(&AppStatus) -> bool) {
    look(global, |reply| waits::waits_or_stands(reply, &is_meant)).await;
}

/// The same as [`tell`], of the master that is to serve at this socket.
pub(super) async fn tell_of(global: &Global, socket: &Path, is_meant: impl Fn(&AppStatus) -> bool) {
    match line(global) {
        Some(line) => show(&line, socket, is_meant).await,
        None if global.quiet => std::future::pending().await,
        None => {
            tokio::time::sleep(SOON).await;
            look_at(socket, |reply| waits::waits(reply, &is_meant)).await;
        }
    }
}

fn line(global: &Global) -> Option<LiveLine> {
    LiveLine::begin(global.quiet || global.is_json)
}

/// The socket of the master that is meant; never, where there is none.
async fn located(global: &Global) -> PathBuf {
    match find::locate(global).await {
        Ok(socket) => socket,
        Err(_) => std::future::pending().await,
    }
}

/// Shows how far the master at a socket is, for as long as it is polled.
async fn show(line: &LiveLine, socket: &Path, is_meant: impl Fn(&AppStatus) -> bool) {
    let mut course = Course::new(CourseScope::Workers);
    loop {
        // It may not serve yet, or no longer: there is nothing to show then.
        let _ = show_once(line, socket, &is_meant, &mut course).await;
        line.show(None);
        tokio::time::sleep(BRIEF).await;
    }
}

async fn show_once(
    line: &LiveLine,
    socket: &Path,
    is_meant: impl Fn(&AppStatus) -> bool,
    course: &mut Course,
) -> Result<(), ClientError> {
    let mut client = ControlClient::connect(socket).await?;
    let mut asked = Instant::now();
    let mut reply = client.status(&[]).await?;
    let mut pause = asked.elapsed() * SHARE;
    let mut events = client.events(reply.last_seq, true).await?;
    let (mut tick, mut is_news) = (tokio::time::interval(EACH), false);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            next = events.next() => {
                is_news = true;
                if next?.is_none() {
                    return Ok(());
                }
            }
            _ = tick.tick() => {
                let age = asked.elapsed();
                if (is_news && age >= pause) || age >= REFRESH.max(pause) {
                    asked = Instant::now();
                    reply = events.status(&[]).await?;
                    pause = asked.elapsed() * SHARE;
                    is_news = false;
                }
                line.show(course.line(&reply, &is_meant, asked.elapsed(), line.look()));
            }
        }
    }
}

async fn look(global: &Global, lines: impl Fn(&StatusReply) -> Vec<String>) {
    if global.quiet {
        return std::future::pending().await;
    }
    tokio::time::sleep(SOON).await;
    look_at(&located(global).await, lines).await;
}

async fn look_at(socket: &Path, lines: impl Fn(&StatusReply) -> Vec<String>) {
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
                lines.iter().for_each(|line| message::note(&format!("still waiting: {line}")));
                (told, looks) = (newest, 0);
            }
            looks += 1;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
