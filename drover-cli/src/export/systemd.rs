//! A unit that keeps the master, as docs/guides/systemd.md has it.

use super::Export;
use super::arithmetic::Arithmetic;

pub(super) fn text(export: &Export<'_>, times: &Arithmetic) -> String {
    let name = export.host_name();
    let program = word(&export.program.display().to_string());
    let file = word(&export.file.display().to_string());
    let profile =
        export.profile.as_ref().map_or_else(String::new, |profile| format!(" --profile {}", word(profile)));
    format!(
        "{header}
[Unit]
Description=Drover: {name}
After=network.target

[Service]
# With systemd before 253: Type=notify, and ExecReload=/bin/kill -HUP $MAINPID.
Type=notify-reload
ExecStart={program} up -f {file}{profile}
KillMode=mixed
# Drover bounds each start itself, by start.timeout.
TimeoutStartSec=infinity
TimeoutStopSec={grace}s
Restart=on-failure
# A mistake in the file is still there at the next start.
RestartPreventExitStatus=2
WatchdogSec=30s
# From systemd 254 on: keeps shared TCP listeners open over a restart, at most this many.
FileDescriptorStoreMax=64

[Install]
WantedBy=multi-user.target
",
        header = export.header(),
        grace = times.grace,
    )
}

pub(super) fn hints(export: &Export<'_>) -> Vec<String> {
    let name = export.host_name();
    vec![format!(
        "save it as /etc/systemd/system/{name}.service, then: systemctl daemon-reload && systemctl enable --now {name}"
    )]
}

/// A word of a command line of systemd.
fn word(text: &str) -> String {
    let text = text.replace('%', "%%").replace('$', "$$");
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@%$:=,".contains(c));
    if is_plain { text } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}
