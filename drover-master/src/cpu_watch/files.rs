//! The files of a process's cgroups that limit its CPUs, each with those of the cgroups above, which limit it too.

use std::path::{Path, PathBuf};

/// In version 2, `cgroups(7)`.
const UNIFIED: [&str; 2] = ["cpu.max", "cpuset.cpus"];

/// In version 1, by controller.
const LEGACY: [(&str, &[&str]); 2] =
    [("cpu", &["cpu.cfs_quota_us", "cpu.cfs_period_us"]), ("cpuset", &["cpuset.cpus"])];

/// How many cgroups above each other are looked at. Nobody nests that many.
const DEPTH: usize = 32;

/// All of them, by `/proc/self/cgroup` and `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
pub(super) fn of(cgroup: &str, mountinfo: &str) -> Vec<PathBuf> {
    let mounts: Vec<Mount<'_>> = mountinfo.lines().filter_map(mount).collect();
    let mut found = Vec::new();
    for (controllers, path) in cgroup.lines().filter_map(membership) {
        let legacy = LEGACY.iter().filter(|(name, _)| controllers.split(',').any(|one| one == *name));
        let wanted: Vec<(&Mount<'_>, &[&str])> = if controllers.is_empty() {
            mounts.iter().filter(|mount| mount.kind == "cgroup2").map(|mount| (mount, &UNIFIED[..])).collect()
        } else {
            let has = |mount: &Mount<'_>, name: &str| mount.options.split(',').any(|one| one == name);
            let of = |(name, files): &(&str, &'static [&'static str])| {
                let mount = mounts.iter().find(|mount| mount.kind == "cgroup" && has(mount, name))?;
                Some((mount, *files))
            };
            legacy.filter_map(of).collect()
        };
        for (mount, files) in wanted {
            for dir in dirs(mount, path) {
                found.extend(files.iter().map(|file| dir.join(file)));
            }
        }
    }
    found
}

/// The cgroup and those above it, as far as they are mounted.
fn dirs(mount: &Mount<'_>, path: &str) -> Vec<PathBuf> {
    // A container without a cgroup namespace is told its path on the host, of which its own part is mounted.
    let below = Path::new(path).strip_prefix(mount.root).unwrap_or(Path::new(""));
    let own = mount.at.join(below);
    own.ancestors().take(DEPTH).take_while(|dir| dir.starts_with(&mount.at)).map(Path::to_owned).collect()
}

/// "2:cpu,cpuacct:/path", and "0::/path" in version 2.
fn membership(line: &str) -> Option<(&str, &str)> {
    line.split_once(':')?.1.split_once(':')
}

#[derive(Debug)]
struct Mount<'t> {
    /// Which part of the hierarchy is mounted.
    root: &'t str,
    at: PathBuf,
    kind: &'t str,
    options: &'t str,
}

/// "36 35 0:31 ROOT AT rw,… shared:1 … - KIND SOURCE OPTIONS".
fn mount(line: &str) -> Option<Mount<'_>> {
    let (place, of) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, at) = (place.next()?, place.next()?);
    let mut of = of.split(' ');
    let (kind, options) = (of.next()?, of.nth(1)?);
    // A blank is written as `\040`.
    Some(Mount { root, at: at.replace("\\040", " ").into(), kind, options })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_each_kind_of_cgroup_are_found() {
        let unified = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let of_container = "29 23 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let hybrid = "30 29 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      31 29 0:28 /docker/ab /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n\
                      32 29 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n";
        let of_hybrid = "9:cpuset:/docker/ab/c\n8:memory:/x\n4:cpu,cpuacct:/docker/ab\n0::/init\n";
        for (cgroup, mountinfo, files) in [
            (
                "0::/a/b\n",
                unified,
                &["a/b/cpu.max", "a/b/cpuset.cpus", "a/cpu.max", "a/cpuset.cpus", "cpu.max", "cpuset.cpus"][..],
            ),
            ("0::/\n", unified, &["cpu.max", "cpuset.cpus"]),
            // With a namespace the path is seen from the mounted root; without one it is the host's.
            ("0::/\n", of_container, &["cpu.max", "cpuset.cpus"]),
            ("0::/docker/ab/c\n", of_container, &["c/cpu.max", "c/cpuset.cpus", "cpu.max", "cpuset.cpus"]),
            (
                of_hybrid,
                hybrid,
                &[
                    "cpuset/c/cpuset.cpus",
                    "cpuset/cpuset.cpus",
                    "cpu,cpuacct/docker/ab/cpu.cfs_quota_us",
                    "cpu,cpuacct/docker/ab/cpu.cfs_period_us",
                    "cpu,cpuacct/docker/cpu.cfs_quota_us",
                    "cpu,cpuacct/docker/cpu.cfs_period_us",
                    "cpu,cpuacct/cpu.cfs_quota_us",
                    "cpu,cpuacct/cpu.cfs_period_us",
                    "unified/init/cpu.max",
                    "unified/init/cpuset.cpus",
                    "unified/cpu.max",
                    "unified/cpuset.cpus",
                ],
            ),
            ("0::/a\n", "", &[]),
            ("nonsense\n:\n", "1 2 3\n - \n", &[]),
        ] {
            let wanted: Vec<PathBuf> =
                files.iter().map(|file| Path::new("/sys/fs/cgroup").join(file)).collect();
            assert_eq!(of(cgroup, mountinfo), wanted, "{cgroup}");
        }
        let blank = "29 23 0:26 / /my\\040cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(of("0::/\n", blank)[0], Path::new("/my cgroup/cpu.max"));
    }
}
