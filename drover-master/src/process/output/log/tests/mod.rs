mod left;

use super::super::lines::LineBlock;
use super::ring::{KEPT, KEPT_OF_SLOT};
use super::*;

fn printer(slot: u32) -> Printer {
    Printer { slot: SlotIndex(slot), generation: Generation(1), worker: WorkerId(1), pid: 7 }
}

fn keep(log: &OutputLog, app: &str, lines: &[&str]) {
    keep_in(&log.of(app), lines);
}

fn keep_in(log: &AppLog, lines: &[&str]) {
    keep_of(log, 0, lines);
}

fn keep_of(log: &AppLog, slot: u32, lines: &[&str]) {
    let block = LineBlock::whole(lines.join("\n").as_bytes());
    log.clone().by(printer(slot)).keep(Stream::Stdout, SystemTime::now(), &block);
}

fn read(stream: &mut LogStream) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(next) = stream.try_next() {
        match next {
            LogNext::Piece(piece) => {
                lines.extend(piece.lines().map(|line| String::from_utf8_lossy(line).into_owned()));
            }
            LogNext::Missed(count) => lines.push(format!("<{count} missed>")),
        }
    }
    lines
}

#[test]
fn readers_get_the_lines_of_their_apps_in_the_order_they_came() {
    let log = OutputLog::new();
    keep(&log, "web", &["one", "", "two"]);
    keep(&log, "db", &["three"]);
    keep(&log, "web", &["four"]);
    let (mut both, mut db) = (log.read(["web".into(), "db".into()]), log.read(["db".into()]));
    assert_eq!(read(&mut both), ["one", "", "two", "three", "four"]);
    assert_eq!(read(&mut db), ["three"]);
    keep(&log, "db", &["five"]);
    assert_eq!((read(&mut both), read(&mut db)), (vec!["five".to_owned()], vec!["five".to_owned()]));
}

#[test]
fn a_chatty_app_pushes_out_its_own_lines_and_slow_readers_are_told() {
    let log = OutputLog::new();
    keep(&log, "quiet", &["still here"]);
    keep(&log, "chatty", &["first"]);
    let mut slow = log.read(["chatty".into()]);
    assert_eq!(read(&mut slow), ["first"]);
    let long = "x".repeat(10_000);
    for _ in 0..500 {
        keep(&log, "chatty", &[&long, &long]);
    }
    assert!(log.feed.lock().size() <= KEPT_OF_SLOT + 1000);
    let lines = read(&mut slow);
    let missed: usize = lines[0].trim_matches(['<', '>']).split(' ').next().unwrap().parse().unwrap();
    assert_eq!(missed + lines.len() - 1, 1000, "every line is read or counted");
    let counts = LogCounts { lines: 1001, bytes: 6 + 1000 * 10_001, missed: missed as u64 };
    assert_eq!(log.counts("chatty"), counts);
    assert_eq!(read(&mut log.read(["quiet".into()])), ["still here"]);
    let fresh = read(&mut log.read(["chatty".into()]));
    assert_eq!(fresh.len(), lines.len() - 1, "who comes late has missed nothing of what it could have had");
}

#[test]
fn a_chatty_worker_pushes_out_its_own_lines_and_all_together_keep_a_bound() {
    let log = OutputLog::new();
    let web = log.of("web");
    keep_of(&web, 900, &["of a slot that is gone"]);
    let mut slow = log.read(["web".into()]);
    assert_eq!(read(&mut slow).len(), 1);
    let long = "x".repeat(10_000);
    let mut written = 0;
    for slot in 0..40 {
        for _ in 0..150 {
            keep_of(&web, slot, &[&long]);
            written += 1;
        }
        keep_of(&log.of("db"), slot, &["a line of db"]);
        assert!(log.feed.lock().size() <= KEPT);
    }
    let kept = read(&mut log.read(["web".into()]));
    assert_eq!(kept[0], "of a slot that is gone");
    assert!(kept.len() > KEPT / 10_000 * 9 / 10, "{}", kept.len());
    assert_eq!(read(&mut log.read(["db".into()])).len(), 40);
    assert_eq!(log.slots("web").len(), 41, "each slot has something left");
    let missed = |line: &String| line.strip_prefix('<')?.split(' ').next()?.parse::<usize>().ok();
    let lines = read(&mut slow);
    let (gaps, lines): (Vec<_>, Vec<_>) = lines.iter().partition(|line| missed(line).is_some());
    assert_eq!(
        gaps.into_iter().filter_map(missed).sum::<usize>() + lines.len(),
        written,
        "every line is read or counted"
    );
    log.forget("web");
    assert!(log.feed.lock().size() < 40 * 1000 && log.slots("web").is_empty());
    log.forget("db");
    assert_eq!(log.feed.lock().size(), 0);
}

#[test]
fn the_output_of_an_app_goes_with_it() {
    let log = OutputLog::new();
    let (first, other) = (log.of("web"), log.of("db"));
    keep_in(&first, &["of the first", "of it too"]);
    keep_in(&other, &["of another"]);
    let mut reader = log.read(["web".into(), "db".into()]);
    assert_eq!(read(&mut reader), ["of the first", "of it too", "of another"]);
    log.forget("web");
    // A process that it left behind prints on.
    keep_in(&first, &["late"]);
    assert!(read(&mut log.read(["web".into()])).is_empty() && log.feed.lock().rings.len() == 1);
    let second = log.of("web");
    keep_in(&first, &["later"]);
    keep_in(&second, &["of the second"]);
    // What is made anew of an app goes on where it was.
    keep_in(&log.of("web"), &["restarted"]);
    for reader in [&mut reader, &mut log.read(["web".into()])] {
        assert_eq!(read(reader), ["of the second", "restarted"]);
    }
}

#[tokio::test]
async fn a_reader_waits_for_what_is_not_there_yet() {
    let log = OutputLog::new();
    let mut stream = log.read(["web".into()]);
    let waiting = tokio::spawn(async move { stream.next().await });
    tokio::task::yield_now().await;
    keep(&log, "web", &["at last"]);
    let LogNext::Piece(piece) = waiting.await.unwrap() else { panic!("missed nothing") };
    assert_eq!(piece.lines().collect::<Vec<_>>(), [b"at last"]);
}
