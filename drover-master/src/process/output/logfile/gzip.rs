//! Compresses one old log file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// What is not finished has another name, and the next one of it takes its place.
pub(super) fn compress(path: &Path) -> io::Result<()> {
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
