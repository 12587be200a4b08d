//! Service units of systemd: each is an app.

mod exec;
mod relation;
mod service;
mod unit;

use super::draft::{Draft, DraftApp, ForeignText, ImportError};

/// What isolates a service; all of these and those that begin so.
const SANDBOX: [&str; 34] = [
    "Protect",
    "Private",
    "Restrict",
    "ReadOnly",
    "ReadWrite",
    "Inaccessible",
    "Bind",
    "System",
    "Capability",
    "Ambient",
    "NoNewPrivileges",
    "LockPersonality",
    "MemoryDeny",
    "Device",
    "IPAddress",
    "Root",
    "Temporary",
    "SupplementaryGroups",
    "DynamicUser",
    "RemoveIPC",
    "Exec",
    "NoExec",
    "Keyring",
    "SecureBits",
    "Socket",
    "Proc",
    "Mount",
    "SELinux",
    "AppArmor",
    "Smack",
    "UtmpIdentifier",
    "Network",
    "Personality",
    "PAMName",
];

/// What limits all of a service together.
const CGROUP: [&str; 9] =
    ["CPU", "Memory", "Tasks", "IO", "BlockIO", "Slice", "Delegate", "StartupCPU", "Managed"];

pub(super) fn read(source: &ForeignText, draft: &mut Draft) -> Result<(), ImportError> {
    let entries = unit::entries(source)?;
    let name = unit_name(&source.name);
    let mut app = DraftApp::new(name, source.at(1));
    let start: Vec<_> =
        entries.iter().filter(|entry| entry.section == "Service" && entry.key == "ExecStart").collect();
    let Some(first) = start.first() else {
        return Err(source.error(1, "has no `ExecStart` in a section [Service], so there is nothing to run"));
    };
    app.place = source.at(first.line);
    exec::command(source, &start, name, &mut app)?;
    app.set("workers", 1);
    // systemd's own defaults, where they are others than Drover's.
    app.set("cwd", "/");
    app.set("restart.policy", "never");
    app.set("stop.to", "group");
    for entry in &entries {
        match &*entry.section {
            "Unit" => relation::entry(source, entry, &mut app)?,
            "Service" => service::entry(source, entry, name, &mut app)?,
            "Install" if matches!(&*entry.key, "WantedBy" | "RequiredBy") => {}
            "Install" => app.lose(source.at(entry.line), &entry.key, "Drover starts every app of its file"),
            section if section.starts_with("X-") => {}
            section => {
                let key = format!("[{section}] {}", entry.key);
                app.lose(source.at(entry.line), key, "Drover imports services alone");
            }
        }
    }
    service::fit(source, &entries, &mut app);
    draft.apps.push(app);
    Ok(())
}

/// `web` of `/etc/systemd/system/web.service`.
fn unit_name(file: &str) -> &str {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.strip_suffix(".service").unwrap_or(base)
}

/// `Before` says the same from the other side, and a oneshot is awaited until it is done.
pub(super) fn settle(draft: &mut Draft) {
    let before: Vec<_> = draft
        .apps
        .iter_mut()
        .flat_map(|app| {
            let (turned, kept) = std::mem::take(&mut app.needs)
                .into_iter()
                .partition::<Vec<_>, _>(|(_, state, _)| *state == relation::BEFORE);
            app.needs = kept;
            let name = app.name.clone();
            turned.into_iter().map(move |(other, _, place)| (other, name.clone(), place))
        })
        .collect();
    for (other, name, place) in before {
        if let Some(app) = draft.apps.iter_mut().find(|app| app.name == other) {
            if !app.needs.iter().any(|(known, ..)| *known == name) {
                app.needs.push((name, "ready", place));
            }
        } else if let Some(app) = draft.apps.iter_mut().find(|app| app.name == name) {
            app.lose(place, format!("Before={other}.service"), "it is not among these files");
        }
    }
    let is_oneshot = |app: &&DraftApp| {
        app.keys.iter().any(|(key, value)| *key == "kind" && value.as_str() == Some("oneshot"))
    };
    let oneshots: Vec<String> = draft.apps.iter().filter(is_oneshot).map(|app| app.name.clone()).collect();
    for (name, state, _) in draft.apps.iter_mut().flat_map(|app| &mut app.needs) {
        if oneshots.contains(name) {
            *state = "completed";
        }
    }
}
