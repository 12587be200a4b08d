//! How many CPUs there are to use.

/// The CPUs this process may use: `available_parallelism`, which on Linux respects the affinity mask and the cgroup's
/// CPU quota (v1 and v2), so a container gets the number of its quota and not of its host. At least 1.
pub fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}
