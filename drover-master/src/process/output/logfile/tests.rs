use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use super::super::lines::LineBlock;
use super::super::lost::lost_lines;
use super::super::{Printer, Stream};
use super::*;
#[cfg(feature = "json")]
use crate::config::LogFormat;
use crate::ids::{Generation, WorkerId};

const PATIENCE: Duration = Duration::from_secs(60);

fn printer(slot: u32) -> Printer {
    Printer { slot: SlotIndex(slot), generation: Generation(2), worker: WorkerId(9), pid: 4711 }
}

async fn put(log: &FileLog, slot: u32, text: &str) {
    let block = LineBlock::whole(text.as_bytes());
    log.put(printer(slot), Stream::Stdout, SystemTime::now(), &block, None).await;
}

async fn written(log: &FileLog) {
    tokio::time::timeout(PATIENCE, log.written()).await.expect("it is written");
}

fn of(app: &str, wish: &LogPolicy) -> FileLog {
    files_of(&app.into(), wish).expect("there are threads")
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}

#[tokio::test]
async fn an_app_has_a_file_and_lines_say_whose_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let log = of("web", &LogPolicy::in_dir(dir.path().join("made")));
    put(&log, 0, "one\n\ntwo").await;
    put(&log.clone(), 3, "größer").await;
    written(&log).await;
    assert_eq!(text(dir.path().join("made/web.log")), "web/0 | one\nweb/0 | \nweb/0 | two\nweb/3 | größer\n");
    let mode = fs::metadata(dir.path().join("made/web.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[tokio::test]
async fn a_change_of_what_is_wished_is_followed_from_the_next_line_on() {
    let dir = tempfile::tempdir().unwrap();
    let wish = LogPolicy { per: LogOwner::Worker, ..LogPolicy::in_dir(dir.path()) };
    let log = of("web", &wish);
    put(&log, 1, "plain").await;
    written(&log).await;
    let stamped = of("web", &LogPolicy { timestamps: true, ..wish.clone() });
    put(&log, 1, "stamped").await;
    written(&stamped).await;
    let lines = text(dir.path().join("web/1.log"));
    let (plain, stamped) = lines.split_once('\n').unwrap();
    assert_eq!(plain, "plain");
    let (time, line) = stamped.split_once(' ').unwrap();
    assert!(time.starts_with("20") && time.ends_with('Z') && line == "stamped\n", "{lines}");
}

#[cfg(feature = "json")]
#[tokio::test]
async fn a_line_of_json_is_that_of_logs_json() {
    use serde_json::Value;

    let dir = tempfile::tempdir().unwrap();
    let log = of("web", &LogPolicy { format: LogFormat::Json, ..LogPolicy::in_dir(dir.path()) });
    let said: &[u8] = b"a \"quoted\" \\ \x1b[1mbold\ttab\r \xff gr\xc3\xb6\xc3\x9fer";
    log.put(printer(1), Stream::Stderr, SystemTime::now(), &LineBlock::whole(said), None).await;
    written(&log).await;
    let line: Value = serde_json::from_str(&text(dir.path().join("web.log"))).unwrap();
    let as_told = drover_proto::latest::LogLine {
        app: "web".into(),
        slot: 1,
        stream: drover_proto::latest::OutputStream::Stderr.into(),
        time_ms: line["time_ms"].as_u64().unwrap(),
        text: said.to_vec(),
        generation: 2,
        worker: 9,
        pid: 4711,
    };
    let told: Value = serde_json::from_str(&crate::control::json::log_line(&as_told)).unwrap();
    assert_eq!(line, told);
}

#[tokio::test]
async fn a_full_file_becomes_an_old_one_and_only_so_many_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let wish = LogPolicy { max_size: 30, keep: 2, ..LogPolicy::in_dir(dir.path()) };
    // From when more were kept.
    for number in [3, 4] {
        fs::write(path(&format!("web.log.{number}")), "").unwrap();
    }
    let log = of("web", &wish);
    for number in 0..8 {
        put(&log, 0, &format!("line {number}")).await;
        written(&log).await;
    }
    assert_eq!(text(path("web.log")), "web/0 | line 6\nweb/0 | line 7\n");
    assert_eq!(text(path("web.log.1")), "web/0 | line 4\nweb/0 | line 5\n");
    assert_eq!(text(path("web.log.2")), "web/0 | line 2\nweb/0 | line 3\n");
    assert!(![3, 4].iter().any(|number| path(&format!("web.log.{number}")).exists()));
    let log = of("web", &LogPolicy { keep: 0, ..wish });
    put(&log, 0, "line 8").await;
    written(&log).await;
    assert_eq!(text(path("web.log")), "web/0 | line 8\n");
}

#[cfg(feature = "compress")]
#[tokio::test]
async fn old_files_are_compressed_and_none_is_lost_meanwhile() {
    use std::io::Read as _;

    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let log = of("web", &LogPolicy { max_size: 10, compress: true, ..LogPolicy::in_dir(dir.path()) });
    put(&log, 0, "line 0").await;
    put(&log, 0, "line 1").await;
    let compressed = async {
        while !path("web.log.1.gz").exists() || path("web.log.1").exists() {
            // Each write looks whether there is something to do.
            put(&log, 0, "more").await;
            written(&log).await;
        }
    };
    tokio::time::timeout(PATIENCE, compressed).await.expect("it is compressed");
    let mut all = String::new();
    for number in (1..=5).rev() {
        if let Ok(file) = fs::File::open(path(&format!("web.log.{number}.gz"))) {
            flate2::read::GzDecoder::new(file).read_to_string(&mut all).unwrap();
        }
    }
    assert!(all.contains("web/0 | "), "{all}");
}

#[tokio::test]
async fn a_file_that_was_moved_is_made_anew_when_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.log");
    let log = of("web", &LogPolicy::in_dir(dir.path()));
    put(&log, 0, "before").await;
    written(&log).await;
    fs::rename(&path, dir.path().join("moved")).unwrap();
    assert!(reopen_log_files() >= 1);
    put(&log, 0, "after").await;
    written(&log).await;
    assert_eq!(text(&path), "web/0 | after\n");
    assert_eq!(text(dir.path().join("moved")), "web/0 | before\n");
}

#[tokio::test]
async fn a_directory_that_was_removed_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    let log = of("web", &LogPolicy::in_dir(&logs));
    put(&log, 0, "before").await;
    written(&log).await;
    fs::remove_file(logs.join("web.log")).unwrap();
    fs::remove_dir(&logs).unwrap();
    let again = async {
        while !logs.join("web.log").exists() {
            // Each write looks, once a second, whether the file has its name.
            put(&log, 0, "after").await;
            written(&log).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("it is made again");
    assert_eq!(text(logs.join("web.log")), "web/0 | after\n");
}

#[tokio::test]
async fn what_can_not_be_written_is_counted_in_the_file_once_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.log");
    // As a directory in its place, so is a FIFO that nobody reads, or a device.
    fs::create_dir(&path).unwrap();
    let log = of("web", &LogPolicy::in_dir(dir.path()));
    put(&log, 0, "one\ntwo").await;
    put(&log, 0, "three").await;
    written(&log).await;
    fs::remove_dir(&path).unwrap();
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    put(&log, 0, "four").await;
    written(&log).await;
    fs::remove_file(&path).unwrap();
    put(&log, 0, "five").await;
    written(&log).await;
    let said = "drover: 4 lines are missing here: this file could not be written\nweb/0 | five\n";
    assert_eq!(text(&path), said);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_costs_lines_that_are_counted_and_one_wait() {
    let wish = LogPolicy::in_dir("/never/written");
    let queue = Queue::new("on a disk that hangs".into(), wish, WAITING, LostBy::Files);
    let long = "x".repeat(1024 * 1024);
    let block = LineBlock::whole(format!("{long}\n{long}").as_bytes());
    let begin = tokio::time::Instant::now();
    for _ in 0..10 {
        queue.put(printer(0), Stream::Stdout, SystemTime::now(), &block, None).await;
    }
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
    let batch = queue.take().unwrap();
    let kept = batch.entries.len() as u64;
    assert!((1..10).contains(&kept));
    assert_eq!(batch.lost[&SlotIndex(0)], (10 - kept) * 2);
    assert_eq!(lost_lines("on a disk that hangs", LostBy::Files), (10 - kept) * 2);
    let mut said = Vec::new();
    format::lost(&batch.wish, "web", SlotIndex(0), 18, batch.time, &mut said);
    assert_eq!(said, b"web/0 | drover: 18 lines are missing here: the disk did not take them in time\n");
    // Its thread writes again: there is room.
    queue.put(printer(0), Stream::Stdout, SystemTime::now(), &block, None).await;
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
}

#[test]
fn a_time_is_told_as_rfc_3339_has_it() {
    assert_eq!(timestamp(951_782_400_001), "2000-02-29T00:00:00.001Z");
    assert_eq!(timestamp(1_795_944_600_250), "2026-11-29T09:30:00.250Z");
}
