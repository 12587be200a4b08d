//! A watch for each directory, as inotify(7) knows no trees.
//!
//! Of each path that is to be watched, the nearest directory above it that is there is watched too, for that one name: so what comes later,
//! or goes and comes again, is found. What is asked for is watched through links, what lies below is not.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use super::rules::Rules;

/// What changes files. A file that is written counts once it is closed.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_ONLYDIR);

#[derive(Debug)]
pub(super) struct WatchTree {
    inotify: Inotify,
    rules: Rules,
    /// Files are told as seen from here.
    base: PathBuf,
    roots: Vec<PathBuf>,
    watched: HashMap<WatchDescriptor, WatchedDirectory>,
    trouble: Option<String>,
    /// The kernel takes no more watches. It is told once.
    is_full: bool,
}

#[derive(Debug)]
struct WatchedDirectory {
    path: PathBuf,
    /// The path that was to be watched, of which it is a part; none: it lies above.
    root: Option<PathBuf>,
    /// The names in it that paths to be watched begin with.
    steps: BTreeSet<OsString>,
}

impl WatchTree {
    pub(super) fn new(base: PathBuf, paths: Vec<PathBuf>, rules: Rules) -> Result<Self, Errno> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let roots: Vec<PathBuf> = paths.into_iter().map(absolute).collect();
        let (base, watched, trouble) = (absolute(base), HashMap::new(), None);
        let mut tree = Self { inotify, rules, base, roots, watched, trouble, is_full: false };
        tree.begin_anew();
        Ok(tree)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// What is not watched, and why, if there is something new to say.
    pub(super) const fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// What has changed since, as far as one read tells; there may be more.
    pub(super) fn read(&mut self) -> Vec<PathBuf> {
        // EAGAIN: nothing.
        let events = self.inotify.read_events().unwrap_or_default();
        let mut changed = Vec::new();
        events.into_iter().for_each(|event| self.take(event, &mut changed));
        let seen = |path: PathBuf| match path.strip_prefix(&self.base) {
            Ok(below) if !below.as_os_str().is_empty() => below.to_owned(),
            _ => path,
        };
        changed.into_iter().map(seen).collect()
    }

    fn begin_anew(&mut self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        (0..self.roots.len()).for_each(|at| self.add_root(at, &mut found));
        found
    }

    fn take(&mut self, event: InotifyEvent, changed: &mut Vec<PathBuf>) {
        let has = |flag| event.mask.contains(flag);
        if has(AddWatchFlags::IN_Q_OVERFLOW) {
            // Whatever it was.
            self.begin_anew();
            changed.extend(self.roots.first().cloned());
            return;
        }
        if has(AddWatchFlags::IN_IGNORED) {
            // It is gone; what leads to a path comes again below another directory.
            if let Some(gone) = self.watched.remove(&event.wd).filter(|gone| !gone.steps.is_empty()) {
                self.add_roots_below(&gone.path, changed);
            }
            return;
        }
        let Some(directory) = self.watched.get(&event.wd) else { return };
        let Some(name) = event.name else { return };
        let path = directory.path.join(&name);
        let is_step = directory.steps.contains(&name);
        let below = directory.root.as_deref().and_then(|root| path.strip_prefix(root).ok());
        let is_meant = below.is_some_and(|below| !self.rules.ignore(below));
        if !is_step && !is_meant {
            return;
        }
        let root = directory.root.clone().filter(|_| is_meant);
        let comes = has(AddWatchFlags::IN_CREATE) || has(AddWatchFlags::IN_MOVED_TO);
        if has(AddWatchFlags::IN_ISDIR) && !comes {
            self.forget(&path);
        }
        if is_step && (comes || has(AddWatchFlags::IN_ISDIR)) {
            self.add_roots_below(&path, changed);
        }
        let is_root = self.roots.contains(&path);
        match root {
            Some(root) if has(AddWatchFlags::IN_ISDIR) => {
                if comes {
                    // What was put into it before it was watched.
                    self.add_directory(&root, path, changed);
                } else if has(AddWatchFlags::IN_MOVED_FROM) {
                    changed.push(path);
                }
            }
            Some(_) => changed.push(path),
            None if is_root => changed.push(path),
            None => {}
        }
    }

    /// Forgets what was moved away, or its watches would tell of another place.
    fn forget(&mut self, gone: &Path) {
        let inotify = &self.inotify;
        self.watched.retain(|watch, directory| {
            let stays = !directory.path.starts_with(gone);
            if !stays {
                // EINVAL: it is deleted, and its watch with it.
                let _ = inotify.rm_watch(*watch);
            }
            stays
        });
    }

    fn add_roots_below(&mut self, path: &Path, found: &mut Vec<PathBuf>) {
        let roots: Vec<usize> =
            (0..self.roots.len()).filter(|at| self.roots[*at].starts_with(path)).collect();
        roots.into_iter().for_each(|at| self.add_root(at, found));
    }

    fn add_root(&mut self, at: usize, found: &mut Vec<PathBuf>) {
        let root = self.roots[at].clone();
        let mut step = root.as_path();
        while let (Some(parent), Some(name)) = (step.parent(), step.file_name()) {
            if self.watch(parent, None, Some(name)) {
                break;
            }
            step = parent;
        }
        // Looked at after it is watched: what comes between is told.
        match fs::metadata(&root) {
            Ok(metadata) if metadata.is_dir() => self.add_directory(&root.clone(), root, found),
            Ok(_) => found.push(root),
            Err(_) => {}
        }
    }

    /// Watches a directory and all below it, and finds what files there are.
    fn add_directory(&mut self, root: &Path, directory: PathBuf, found: &mut Vec<PathBuf>) {
        let mut left = vec![directory];
        while let Some(directory) = left.pop() {
            if !self.watch(&directory, Some(root), None) {
                continue;
            }
            #[expect(clippy::disallowed_methods, reason = "on the thread of the watch")]
            let entries = fs::read_dir(&directory);
            for entry in entries.into_iter().flatten().flatten() {
                let path = entry.path();
                let is_ignored = path.strip_prefix(root).is_ok_and(|below| self.rules.ignore(below));
                match entry.file_type() {
                    _ if is_ignored => {}
                    Ok(kind) if kind.is_dir() => left.push(path),
                    // One stands for all, so that a large tree is not remembered.
                    Ok(_) if found.len() < 2 => found.push(path),
                    _ => {}
                }
            }
        }
    }

    /// Watches one directory: all in it, as a part of this root, or one name.
    fn watch(&mut self, path: &Path, root: Option<&Path>, step: Option<&OsStr>) -> bool {
        match self.inotify.add_watch(path, CHANGES) {
            Ok(watch) => {
                let known = self.watched.entry(watch).or_insert_with(|| WatchedDirectory {
                    path: path.to_owned(),
                    root: None,
                    steps: BTreeSet::new(),
                });
                if let Some(root) = root {
                    // By the name that it has there.
                    (known.path, known.root) = (path.to_owned(), Some(root.to_owned()));
                }
                known.steps.extend(step.map(OsStr::to_owned));
                true
            }
            Err(Errno::ENOSPC) => {
                if !std::mem::replace(&mut self.is_full, true) {
                    self.trouble = Some(format!(
                        "{} and others are not watched: the kernel takes no more watches; raise fs.inotify.max_user_watches, or \
                         ignore large directories",
                        path.display()
                    ));
                }
                false
            }
            // It is not there, or not any more; or nobody may look into it.
            Err(_) => false,
        }
    }
}

/// As seen from the root, without `.` and `..` where that is possible, so that what changes is told by the same name.
fn absolute(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).or_else(|_| std::path::absolute(&path)).unwrap_or(path)
}
