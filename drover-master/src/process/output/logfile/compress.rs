//! Compresses old log files, on a thread that gets what time is left over.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::sys::priority;

/// At most one file at a time; the next rotation waits for it, as the file would get another name.
#[derive(Debug, Default)]
pub(super) struct Compressor(Option<JoinHandle<()>>);

impl Compressor {
    pub(super) fn is_idle(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Begins with a file that was rotated.
    pub(super) fn begin(&mut self, rotated: Option<PathBuf>) {
        let Some(path) = rotated else { return };
        // The encoder is made on the stack.
        let thread = thread::Builder::new().name("drover-gzip".into()).stack_size(2 * 1024 * 1024);
        let spawned = thread.spawn(move || {
            priority::lower();
            if let Err(error) = compress(&path) {
                tracing::error!(target: "drover::output", %error, "`{}` can't be compressed, and stays", path.display());
            }
        });
        // Without a thread it stays as it is.
        self.0 = spawned.ok();
    }
}

/// What is not finished has another name, and the next one of it takes its place.
fn compress(path: &Path) -> io::Result<()> {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let (unfinished, finished) = (with(".gz.tmp"), with(".gz"));
    let done = write_compressed(path, &unfinished).and_then(|()| fs::rename(&unfinished, &finished));
    match done {
        Ok(()) => fs::remove_file(path),
        Err(error) => {
            // It may never have been made.
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
    }
}

fn write_compressed(path: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(path)?;
    let mode = from.metadata()?.mode() & 0o777;
    let into = File::options().write(true).create(true).truncate(true).mode(mode).open(to)?;
    let mut encoder = GzEncoder::new(into, Compression::default());
    io::copy(&mut from, &mut encoder)?;
    encoder.finish()?.flush()
}
