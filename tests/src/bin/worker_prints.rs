//! A worker that prints as fast as its stdout takes it: `worker_prints GATE TOTAL SIZE` prints so many bytes, as lines of a hundred, in
//! writes of this size. It begins once somebody opens the FIFO `GATE` to write, and ends when that is closed again.

use std::error::Error;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;

/// With its end.
const LINE: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    drover_e2e::die_with_the_test();
    let arguments: Vec<String> = std::env::args().collect();
    let [_, gate, total, size] = &arguments[..] else { return Err("worker_prints GATE TOTAL SIZE".into()) };
    let (total, size): (usize, usize) = (total.parse()?, size.parse()?);
    let line = [&[b'x'; LINE - 1][..], b"\n"].concat();
    // Whatever a write begins with of a line, it is in here at one place.
    let lines = line.repeat(size / LINE + 2);
    let mut gate = File::open(gate)?;
    // Each write is one of the kernel's, as of a program that writes its log line by line.
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut written = 0;
    while written < total {
        let begin = written % LINE;
        let length = size.min(total - written);
        stdout.write_all(&lines[begin..begin + length])?;
        written += length;
    }
    gate.read_to_end(&mut Vec::new())?;
    Ok(())
}
