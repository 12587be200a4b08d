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
    /// A compose file.
    Compose,
}

impl ForeignFormat {
    /// Every format.
    pub(crate) const ALL: [Self; 5] =
        [Self::Procfile, Self::Pm2, Self::Supervisord, Self::Systemd, Self::Compose];

    /// How it is called on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Procfile => "procfile",
            Self::Pm2 => "pm2",
            Self::Supervisord => "supervisord",
            Self::Systemd => "systemd",
            Self::Compose => "compose",
        }
    }

    /// What such a file without anything to run is.
    pub(crate) const fn emptiness(self) -> &'static str {
        match self {
            Self::Procfile => "this Procfile",
            Self::Pm2 => "this ecosystem file",
            Self::Supervisord => "this supervisord.conf",
            Self::Systemd => "this unit",
            Self::Compose => "this compose file: no service says its command",
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
        let is_yaml = [".yml", ".yaml"].iter().any(|end| name.ends_with(end));
        let is_data = [".json", ".yml", ".yaml"].iter().any(|end| name.ends_with(end));
        let has_apps = ["apps:", "\"apps\"", "{\"apps\"", "{ \"apps\""].iter().any(|words| has(words));
        match () {
            () if name.starts_with("Procfile") => Some(Self::Procfile),
            () if [".js", ".cjs"].iter().any(|end| name.ends_with(end)) => Some(Self::Pm2),
            () if name.starts_with("ecosystem.") || name.starts_with("process.") => Some(Self::Pm2),
            () if name.ends_with(".service") => Some(Self::Systemd),
            () if is_yaml && has("services:") => Some(Self::Compose),
            () if is_data && has_apps => Some(Self::Pm2),
            () if has("[program:") || has("[include]") => Some(Self::Supervisord),
            () if has("[Service]") => Some(Self::Systemd),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_told_by_the_name_of_a_file_or_by_what_it_says() {
        for (file, text, format) in [
            ("a/Procfile", "", Some(ForeignFormat::Procfile)),
            ("Procfile.dev", "", Some(ForeignFormat::Procfile)),
            ("ecosystem.config.js", "", Some(ForeignFormat::Pm2)),
            ("pm2.yml", "apps:\n", Some(ForeignFormat::Pm2)),
            ("a.json", "{\n  \"apps\": []", Some(ForeignFormat::Pm2)),
            ("a.conf", "; c\n[program:x]\n", Some(ForeignFormat::Supervisord)),
            ("web.service", "", Some(ForeignFormat::Systemd)),
            ("web", "[Unit]\n[Service]\n", Some(ForeignFormat::Systemd)),
            ("docker-compose.yml", "version: '3'\nservices:\n", Some(ForeignFormat::Compose)),
            ("a.yml", "a: 1\n", None),
            ("notes.txt", "services: none\n", None),
        ] {
            assert_eq!(ForeignFormat::guess(file, text), format, "{file}");
        }
    }
}
