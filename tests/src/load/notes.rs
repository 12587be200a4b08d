//! What each worker writes down about itself, in files that all of them append to.
//!
//! A line is one `write(2)` with `O_APPEND`, so lines of many processes do not mix, and their order is the order in which
//! they were written: a worker that says Started after it has noted that it serves has its line before that of the worker
//! which the master then stops.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The variable that names the directory of the notes.
pub const VARIABLE: &str = "E2E_NOTES";

/// What a worker is to be, read at its start: the next version of the program, without another program.
const VERSION: &str = "version";

/// Between a version and the first generation that is to be it.
const VERSION_SINCE: &str = " since ";

/// Who serves; and what the trial adds of its own.
const LIFE: &str = "life";

/// Who took which connection.
const ACCEPTS: &str = "accepts";

/// The directory of the notes.
#[derive(Debug, Clone)]
pub struct Notes(PathBuf);

/// A connection that a worker took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accept {
    /// The worker's process.
    pub pid: u32,
    /// The client's port.
    pub port: u16,
    /// When, to the microsecond.
    pub when: SystemTime,
}

/// One line of who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// A worker's program has begun.
    Begins {
        /// Its process.
        pid: u32,
    },
    /// A worker begins to take connections, on this port; or does so again, after a rest.
    Serves {
        /// Its process.
        pid: u32,
        /// Its slot.
        slot: u32,
        /// The port it listens on.
        port: u16,
        /// Its generation.
        generation: u64,
    },
    /// A worker takes no more.
    Ceases {
        /// Its process.
        pid: u32,
    },
    /// A worker is done: the next thing is the end of its process.
    Ends {
        /// Its process.
        pid: u32,
    },
    /// The trial kills a worker, which can't note that itself.
    Killed {
        /// Its process.
        pid: u32,
    },
    /// A worker is about to crash; it has never served.
    Crashes {
        /// Its process.
        pid: u32,
    },
    /// From here on at least so many have to serve, says the trial.
    Floor(u32),
}

/// What version of the program a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// It serves.
    Good,
    /// It ends before it has said anything.
    Fails,
    /// It never gets ready.
    NeverReady,
    /// It gets ready and crashes soon, before it has taken a connection: what it had taken would be lost with any master.
    Crashes,
}

impl Notes {
    /// Notes in this directory.
    pub const fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Adds a line on who serves.
    ///
    /// # Errors
    ///
    /// As `open(2)` and `write(2)`.
    pub fn life(&self, life: Life) -> io::Result<()> {
        self.append(LIFE)?.write_all(format!("{} {}\n", micros(), life.text()).as_bytes())
    }

    /// A pen for whoever took which connection.
    ///
    /// # Errors
    ///
    /// As `open(2)`.
    pub fn accepts(&self) -> io::Result<File> {
        self.append(ACCEPTS)
    }

    /// Notes that this process took the connection of a client's port.
    ///
    /// # Errors
    ///
    /// As `write(2)`.
    pub fn accepted(accepts: &File, port: u16) -> io::Result<()> {
        // `&File` writes without a buffer: it has to be there when the process is killed in the next moment.
        let mut accepts = accepts;
        accepts.write_all(format!("{} {port} {}\n", std::process::id(), micros()).as_bytes())
    }

    /// All lines on who serves, in their order.
    ///
    /// # Panics
    ///
    /// If a line is invalid.
    pub fn lives(&self) -> Vec<Life> {
        self.timeline().into_iter().map(|(_, life)| life).collect()
    }

    /// The same, each with its time.
    ///
    /// # Panics
    ///
    /// If a line is invalid.
    pub fn timeline(&self) -> Vec<(SystemTime, Life)> {
        let parse = |line: &str| {
            let (micros, life) = line.split_once(' ')?;
            Some((at_micros(micros)?, Life::parse(life)?))
        };
        self.read(LIFE).lines().map(|line| parse(line).unwrap_or_else(|| panic!("`{line}`"))).collect()
    }

    /// All connections that were taken, in the order of the notes.
    ///
    /// # Panics
    ///
    /// If a line is invalid.
    pub fn all_accepts(&self) -> Vec<Accept> {
        let accept = |line: &str| {
            let mut words = line.split(' ');
            let (pid, port) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(Accept { pid, port, when: at_micros(words.next()?)? })
        };
        self.read(ACCEPTS).lines().map(|line| accept(line).unwrap_or_else(|| panic!("`{line}`"))).collect()
    }

    /// What a worker of this generation that starts now is to be.
    ///
    /// # Panics
    ///
    /// If it is none of the versions.
    pub fn version(&self, generation: u64) -> Version {
        let text = self.read(VERSION);
        let Some((version, since)) = text.split_once(VERSION_SINCE) else { return Version::Good };
        let since: u64 = since.parse().expect("a generation");
        if generation < since {
            return Version::Good;
        }
        Version::ALL.into_iter().find(|known| known.text() == version).expect("a version")
    }

    /// Decides what workers are to be that start from now on, and are of this generation or a later one; those of an earlier
    /// one are good.
    ///
    /// # Errors
    ///
    /// As `open(2)`, `write(2)` and `rename(2)`.
    pub fn set_version(&self, version: Version, since: u64) -> io::Result<()> {
        // Renamed, so that a worker reads the old one or the new one.
        let draft = self.0.join("version~");
        std::fs::write(&draft, format!("{}{VERSION_SINCE}{since}", version.text()))?;
        std::fs::rename(draft, self.0.join(VERSION))
    }

    fn append(&self, name: &str) -> io::Result<File> {
        File::options().append(true).create(true).open(self.0.join(name))
    }

    /// Empty before the first line.
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

/// Now, in microseconds since 1970.
fn micros() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros()
}

fn at_micros(text: &str) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_micros(text.parse().ok()?))
}

impl Life {
    fn text(self) -> String {
        match self {
            Self::Serves { pid, slot, port, generation } => {
                format!("serves {pid} {slot} {port} {generation}")
            }
            Self::Begins { pid } => format!("begins {pid}"),
            Self::Ceases { pid } => format!("ceases {pid}"),
            Self::Ends { pid } => format!("ends {pid}"),
            Self::Killed { pid } => format!("killed {pid}"),
            Self::Crashes { pid } => format!("crashes {pid}"),
            Self::Floor(count) => format!("floor {count}"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        Some(match words[..] {
            ["serves", pid, slot, port, generation] => Self::Serves {
                pid: pid.parse().ok()?,
                slot: slot.parse().ok()?,
                port: port.parse().ok()?,
                generation: generation.parse().ok()?,
            },
            ["begins", pid] => Self::Begins { pid: pid.parse().ok()? },
            ["ends", pid] => Self::Ends { pid: pid.parse().ok()? },
            ["ceases", pid] => Self::Ceases { pid: pid.parse().ok()? },
            ["killed", pid] => Self::Killed { pid: pid.parse().ok()? },
            ["crashes", pid] => Self::Crashes { pid: pid.parse().ok()? },
            ["floor", count] => Self::Floor(count.parse().ok()?),
            _ => return None,
        })
    }
}

impl Version {
    const ALL: [Self; 4] = [Self::Good, Self::Fails, Self::NeverReady, Self::Crashes];

    const fn text(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fails => "fails",
            Self::NeverReady => "never ready",
            Self::Crashes => "crashes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let notes = Notes::new(dir.path().to_owned());
        assert_eq!((notes.lives(), notes.all_accepts(), notes.version(0)), (vec![], vec![], Version::Good));
        let lives = [
            Life::Floor(1),
            Life::Serves { pid: 7, slot: 3, port: 80, generation: 2 },
            Life::Begins { pid: 8 },
            Life::Ceases { pid: 7 },
            Life::Ends { pid: 7 },
            Life::Killed { pid: 8 },
            Life::Crashes { pid: 9 },
        ];
        lives.iter().for_each(|life| notes.life(*life).unwrap());
        assert_eq!(notes.lives(), lives);
        Notes::accepted(&notes.accepts().unwrap(), 1234).unwrap();
        let [accept] = notes.all_accepts()[..] else { panic!("one was noted") };
        assert_eq!((accept.pid, accept.port), (std::process::id(), 1234));
        assert!(accept.when <= SystemTime::now());
        for version in Version::ALL {
            notes.set_version(version, 3).unwrap();
            assert_eq!(
                [2, 3, 4].map(|generation| notes.version(generation)),
                [Version::Good, version, version]
            );
        }
    }
}
