//! What apps need that this user may not. Pure.

use drover_master::config::file::Config;
use drover_master::config::{AppSpec, ListenAddr};

use super::facts::Machine;
use super::finding::Findings;

/// Bits of `capabilities(7)`.
const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;
const CAP_NET_BIND_SERVICE: u64 = 1 << 10;

pub(super) fn judge(config: &Config, machine: &Machine, found: &mut Findings) {
    let may = |capability| machine.capabilities & capability != 0;
    for app in config.apps.iter().map(|app| &app.spec) {
        let name = &app.name;
        let is_own = |user: &&str| *user == machine.user || *user == machine.uid.to_string();
        if let Some(user) = app.command.user_name().filter(|user| !is_own(user) && !may(CAP_SETUID)) {
            found.error(
                "rights",
                format!("app `{name}` runs as user `{user}`, and {} may not become that user", machine.user),
                "start the master as root, or with `AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL` in the unit",
            );
        } else if let Some(group) =
            app.command.group_name().filter(|_| !may(CAP_SETGID) && !app.command.has_user())
        {
            found.warning(
                "rights",
                format!("app `{name}` runs as group `{group}`, which only works if that is the group of {} already", machine.user),
                "start the master as root, or with `AmbientCapabilities=CAP_SETGID` in the unit",
            );
        }
        if machine.uid == 0 && runs_as_root(app) {
            found.note(
                "rights",
                format!("the workers of app `{name}` run as root"),
                format!("name another user in app.{name}.user; the master opens sockets for it"),
            );
        }
    }
    for socket in &config.sockets {
        if let ListenAddr::Tcp(addr) | ListenAddr::Udp(addr) = &socket.addr
            && let Some(port) = addr.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok())
            && (1..machine.first_free_port).contains(&port)
            && !may(CAP_NET_BIND_SERVICE)
        {
            found.error(
                "rights",
                format!("sockets.{}: {} may not listen on a port below {}, and this is {port}", socket.name, machine.user, machine.first_free_port),
                "choose a higher one, `AmbientCapabilities=CAP_NET_BIND_SERVICE` in the unit, or a `.socket` unit: docs/guides/systemd.md",
            );
        }
    }
}

fn runs_as_root(app: &AppSpec) -> bool {
    app.command.user_name().is_none_or(|user| user == "root" || user == "0")
}
