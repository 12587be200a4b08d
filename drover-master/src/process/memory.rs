//! How much memory a process holds.

use std::fs::File;
use std::io::Read;

use nix::unistd::{SysconfVar, sysconf};

/// The resident set of a process in bytes; none if it is gone.
///
/// `statm` of proc(5), not the proportional set of `smaps_rollup`: that walks the page tables under the lock of the memory map,
/// milliseconds a gibibyte, and makes the process wait. This is a sum of counters that the kernel keeps anyway. The price: pages
/// shared with other processes count in full.
pub(super) fn resident(pid: i32) -> Option<u64> {
    // Seven numbers of at most 20 digits.
    let mut text = [0; 160];
    let length = File::open(format!("/proc/{pid}/statm")).ok()?.read(&mut text).ok()?;
    let pages: u64 = std::str::from_utf8(&text[..length]).ok()?.split(' ').nth(1)?.parse().ok()?;
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    Some(pages * u64::try_from(page).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_process_is_known_while_it_is_there() {
        let own = i32::try_from(std::process::id()).unwrap();
        let before = resident(own).unwrap();
        // Written to, so that every page is there.
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        let grown = resident(own).unwrap();
        assert!(grown >= before + (60 << 20), "{before} to {grown}");
        drop(held);
        // No process has a number above 2^22 (`pid_max` of proc(5)).
        assert_eq!(resident(1 << 23), None);
    }
}
