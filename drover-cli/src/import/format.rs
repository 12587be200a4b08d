//! Whose file it is.

/// A format that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForeignFormat {
    /// A Procfile.
    Procfile,
    /// An ecosystem file of pm2.
    Pm2,
    /// supervisord.conf.
    Supervisord,
    /// Service units of systemd.
    Systemd,
}

impl ForeignFormat {
    /// Every format.
    pub(crate) const ALL: [Self; 4] = [Self::Procfile, Self::Pm2, Self::Supervisord, Self::Systemd];

    /// How it is called on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Procfile => "procfile",
            Self::Pm2 => "pm2",
            Self::Supervisord => "supervisord",
            Self::Systemd => "systemd",
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
        let is_data = [".json", ".yml", ".yaml"].iter().any(|end| name.ends_with(end));
        let has_apps = ["apps:", "\"apps\"", "{\"apps\"", "{ \"apps\""].iter().any(|words| has(words));
        match () {
            () if name.starts_with("Procfile") => Some(Self::Procfile),
            () if [".js", ".cjs"].iter().any(|end| name.ends_with(end)) => Some(Self::Pm2),
            () if name.starts_with("ecosystem.") || name.starts_with("process.") => Some(Self::Pm2),
            () if name.ends_with(".service") => Some(Self::Systemd),
            () if is_data && has_apps => Some(Self::Pm2),
            () if has("[program:") || has("[include]") => Some(Self::Supervisord),
            () if has("[Service]") => Some(Self::Systemd),
            () => None,
        }
    }
}
