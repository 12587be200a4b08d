//! Waits until nothing changes any more. Pure: the time comes in.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilesChanged {
    /// The first of it.
    pub(crate) file: PathBuf,
    /// Whether others have, too.
    pub(crate) has_more: bool,
}

impl FilesChanged {
    /// Adds what changed later.
    pub(super) fn add(&mut self, later: Self) {
        self.has_more |= later.has_more || later.file != self.file;
    }
}

/// Changes that go on until there is a pause.
#[derive(Debug)]
pub(super) struct Pause {
    length: Duration,
    changed: Option<(FilesChanged, Instant)>,
}

impl Pause {
    pub(super) const fn new(length: Duration) -> Self {
        Self { length, changed: None }
    }

    /// A file has changed.
    pub(super) fn changed(&mut self, now: Instant, file: PathBuf) {
        let due = now + self.length;
        let later = FilesChanged { file, has_more: false };
        match &mut self.changed {
            Some((changed, at)) => {
                changed.add(later);
                *at = due;
            }
            none => *none = Some((later, due)),
        }
    }

    /// What has changed, if nothing has any more.
    pub(super) fn over(&mut self, now: Instant) -> Option<FilesChanged> {
        self.changed.take_if(|(_, due)| *due <= now).map(|(changed, _)| changed)
    }

    /// How long it may last.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.changed.as_ref().map(|(_, due)| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_of_changes_is_over_once_after_the_pause() {
        let begin = tokio::time::Instant::now().into_std();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut pause = Pause::new(Duration::from_millis(300));
        assert_eq!((pause.left(at(0)), pause.over(at(0))), (None, None));
        for ms in (0..1000).step_by(100) {
            assert_eq!(pause.over(at(ms)), None, "{ms}");
            pause.changed(at(ms), if ms == 0 { "a".into() } else { "b".into() });
        }
        assert_eq!(pause.left(at(1000)), Some(Duration::from_millis(200)));
        assert_eq!(pause.over(at(1199)), None);
        assert_eq!(pause.over(at(1200)), Some(FilesChanged { file: "a".into(), has_more: true }));
        assert_eq!((pause.left(at(1200)), pause.over(at(9000))), (None, None));
        pause.changed(at(9000), "c".into());
        pause.changed(at(9001), "c".into());
        assert_eq!(pause.over(at(9301)), Some(FilesChanged { file: "c".into(), has_more: false }));
    }
}
