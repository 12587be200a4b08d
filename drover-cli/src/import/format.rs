//! Whose file it is.

/// A format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForeignFormat {
    /// A Procfile.
    Procfile,
    /// supervisord.conf.
    Supervisord,
}

impl ForeignFormat {
    /// Every format.
    pub(crate) const ALL: [Self; 2] = [Self::Procfile, Self::Supervisord];

    /// How it is called on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Procfile => "procfile",
            Self::Supervisord => "supervisord",
        }
    }

    /// The format of this name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// Guesses the format from the name of a file, else from what it says.
    pub(crate) fn guess(file: &str, text: &str) -> Option<Self> {
        let name = file.rsplit('/').next().unwrap_or(file);
        let has = |words: &str| text.lines().any(|line| line.trim_start().starts_with(words));
        match () {
            () if name.starts_with("Procfile") => Some(Self::Procfile),
            () if has("[program:") || has("[include]") => Some(Self::Supervisord),
            () => None,
        }
    }
}
