//! The last words of a master in a container, where Kubernetes shows them as the reason of its end: `/dev/termination-log`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anstream::adapter::strip_str;
use nix::fcntl::OFlag;

use crate::exit_status::ExitStatus;

/// Where the kubelet reads it, unless a pod says otherwise.
const PATH: &str = "/dev/termination-log";

/// How many bytes of it the kubelet reads: the last ones.
const MOST: usize = 4096;

/// How long a disk may take for it. The process ends anyway.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has been said, of a master alone.
static SAID: Mutex<Option<LastWords>> = Mutex::new(None);

/// Texts up to the bound; of what comes first, since that is why the rest is said.
#[derive(Debug, Default, PartialEq, Eq)]
struct LastWords {
    text: String,
    is_full: bool,
}

impl LastWords {
    fn keep(&mut self, line: &str) {
        if self.is_full {
            return;
        }
        // Room for the newline.
        let room = MOST - self.text.len();
        self.is_full = line.len() >= room;
        let mut end = if self.is_full { room.saturating_sub(1) } else { line.len() };
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        self.text.push_str(&line[..end]);
        if self.text.len() < MOST {
            self.text.push('\n');
        }
    }
}

/// From now on this process is a master in the foreground. One below another master leaves it to that one.
pub(crate) fn begin() {
    if std::env::var_os("DROVER_APP").is_none() {
        *said() = Some(LastWords::default());
    }
}

/// What was said up to here did not end it.
pub(crate) fn forget() {
    if let Some(said) = &mut *said() {
        *said = LastWords::default();
    }
}

/// Keeps what is said on stderr, if it is a master that says it.
pub(crate) fn keep(text: &str) {
    if let Some(said) = &mut *said() {
        said.keep(strip_str(text).to_string().trim_end());
    }
}

fn said() -> MutexGuard<'static, Option<LastWords>> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes it, if the end is worth telling and there is a file to write to. Nobody is told if that fails.
pub(crate) fn write(status: ExitStatus) {
    let is_worth_telling = !matches!(status, ExitStatus::Done | ExitStatus::Interrupted | ExitStatus::Killed);
    let said = said().take();
    let Some(said) = said.filter(|said| is_worth_telling && !said.text.is_empty()) else { return };
    if !Path::new(PATH).exists() {
        return;
    }
    let (is_done, done) = sync_channel(1);
    let text = said.text.clone();
    let write = move || {
        let _ = append(Path::new(PATH), &text);
        let _ = is_done.send(());
    };
    match thread::Builder::new().name("drover-last-words".into()).spawn(write) {
        Ok(_) => drop(done.recv_timeout(PATIENCE)),
        // That none can be made may be what is to be told.
        Err(_) => drop(append(Path::new(PATH), &said.text)),
    }
}

/// Appends, since workers may have written there; if the whole would be too long, it is these words alone.
fn append(path: &Path, text: &str) -> io::Result<()> {
    // A pipe that nobody reads is not waited for.
    let mut file = OpenOptions::new().append(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    if found.len() + text.len() as u64 > MOST as u64 {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_whole_characters_up_to_the_bound() {
        let kept = |lines: &[&str]| {
            let mut words = LastWords::default();
            lines.iter().for_each(|line| words.keep(line));
            words.text
        };
        assert_eq!(kept(&["one", "two"]), "one\ntwo\n");
        let long = "ä".repeat(MOST);
        for first in ["", "a", "ab"] {
            let text = kept(&[first, &long, "no more"]);
            assert!((MOST - 1..=MOST).contains(&text.len()) && text.ends_with("ä\n"), "{}", text.len());
            assert!(text.starts_with(&format!("{first}\nä")), "{first}");
        }
        let exact = "x".repeat(MOST - 1);
        assert_eq!(kept(&[&exact, "no more"]), format!("{exact}\n"));
        let one_less = "x".repeat(MOST - 2);
        assert_eq!(kept(&[&one_less, "more"]), format!("{one_less}\n\n"));
    }

    #[test]
    fn what_workers_have_written_stays_where_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        let now = || std::fs::read_to_string(&file).unwrap();
        assert!(append(&file, "nobody asked\n").is_err(), "it is not made");
        std::fs::write(&file, "of a worker\n").unwrap();
        append(&file, "of the master\n").unwrap();
        assert_eq!(now(), "of a worker\nof the master\n");
        let long = "x".repeat(MOST - 10);
        append(&file, &long).unwrap();
        assert_eq!(now(), long);
        append(&file, &long).unwrap();
        assert_eq!(now(), long);
        assert!(append(dir.path(), "a directory\n").is_err());
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(append(&pipe, "nobody reads\n").is_err());
    }
}
