//! What the program has mapped of its own file, and needs no more once it has started.

use std::ffi::{c_int, c_void};

/// The page size of `mmap(2)`; what it can't tell is not on Linux.
fn page_size() -> Option<usize> {
    // SAFETY: reads a number of the system.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok().filter(|size| size.is_power_of_two())
}

/// Takes the pages of the program's code and constants out of its memory. Those that it goes on to use come back by themselves, at the
/// cost of a minor fault for each 64 KiB; the arguments, the configuration file and the rest of the start stay out.
///
/// For a program that lives long and has a large part that only its start uses. Call it once, when the start is over. It
/// concerns the program's own file, not its shared libraries, and nothing that can be written. Breakpoints and uprobes that were set
/// in the code before are gone.
///
/// ```no_run
/// # async fn example(master: drover_master::Master) -> Result<(), drover_master::StartError> {
/// master.start().await?;
/// drover_master::release_startup_pages();
/// # Ok(())
/// # }
/// ```
pub fn release_startup_pages() {
    release(false);
}

/// The same of its shared libraries too: for a process that does hardly anything from here on.
pub(crate) fn release_all_file_pages() {
    release(true);
}

fn release(with_libraries: bool) {
    let Some(page_size) = page_size() else { return };
    let mut pages = FilePages { page_size, with_libraries };
    // SAFETY: the callback matches the type, and the pointer lives until the call returns.
    unsafe {
        libc::dl_iterate_phdr(Some(release_of_file), (&raw mut pages).cast());
    }
}

struct FilePages {
    page_size: usize,
    with_libraries: bool,
}

/// Gives back what was allocated and is free again.
pub(crate) fn release_free_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) may be called at any time; nothing that is in use is touched.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Called for the program first, and then for its libraries (`dl_iterate_phdr(3)`), unless it ends the iteration.
unsafe extern "C" fn release_of_file(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    pages: *mut c_void,
) -> c_int {
    // SAFETY: dl_iterate_phdr(3) hands a valid record to read from, and `release` passes a pointer to its `FilePages`.
    let (info, &FilePages { page_size, with_libraries }) = unsafe { (&*info, &*pages.cast::<FilePages>()) };
    // SAFETY: as many headers as it says, valid as long as the program is loaded.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    // Backwards: the headers lie in the first part, and to read them brings that back.
    for header in headers.iter().rev() {
        if header.p_type != libc::PT_LOAD || header.p_flags & libc::PF_W != 0 {
            continue;
        }
        let (Ok(addr), Ok(length)) = (usize::try_from(header.p_vaddr), usize::try_from(header.p_memsz))
        else {
            continue;
        };
        let begin = (info.dlpi_addr as usize + addr) & !(page_size - 1);
        let end = (info.dlpi_addr as usize + addr + length).next_multiple_of(page_size);
        // SAFETY: a private mapping of a file that was never written (no PF_W, and nothing that is loaded has text relocations): by
        // madvise(2) the next access finds what the file holds, which is what is there now. That holds for the
        // kernel's own too (vdso(7)).
        unsafe {
            libc::madvise(begin as *mut c_void, end - begin, libc::MADV_DONTNEED);
        }
    }
    c_int::from(!with_libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The range of the program's code and how much of it is in memory, in KB.
    fn code() -> (usize, usize, u64) {
        let own = std::fs::read_link("/proc/self/exe").unwrap();
        let text = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut lines = text.lines();
        let head =
            lines.find(|line| line.contains(" r-xp ") && line.ends_with(own.to_str().unwrap())).unwrap();
        let (begin, end) = head.split_once(' ').unwrap().0.split_once('-').unwrap();
        let address = |text| usize::from_str_radix(text, 16).unwrap();
        let resident = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
        (address(begin), address(end), resident.trim().strip_suffix(" kB").unwrap().parse().unwrap())
    }

    #[test]
    fn what_the_start_has_read_of_the_programs_file_goes_and_what_is_used_comes_back() {
        let (begin, end, _) = code();
        for page in (begin..end).step_by(4096) {
            // SAFETY: mapped and readable, as the kernel says.
            unsafe { std::ptr::with_exposed_provenance::<u8>(page).read_volatile() };
        }
        let (_, _, before) = code();
        assert_eq!(before, ((end - begin) / 1024) as u64);
        release_startup_pages();
        // What runs now, here and in the other tests, is back already.
        let (_, _, after) = code();
        assert!(after < before / 2, "{after} of {before} KB");
    }
}
