//! What an apply changes, line by line.

use drover_proto::latest::{Change, Plan};

/// One line a change.
pub(crate) fn text(plan: &Plan) -> String {
    if plan.changes.is_empty() {
        let with =
            if plan.profile.is_empty() { String::new() } else { format!(" with profile {}", plan.profile) };
        return format!("no change: everything runs as {} says{with}", plan.file);
    }
    let lines: Vec<String> = plan.changes.iter().map(line).collect();
    lines.join("\n")
}

fn line(change: &Change) -> String {
    let class = change.class().name();
    let what = match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{from} → {to}"),
        (None, Some(to)) if change.key.starts_with("app.") && class != "add" => format!("none → {to}"),
        (Some(from), None) if class != "remove" => format!("{from} → none"),
        (None, Some(value)) | (Some(value), None) => value.clone(),
        (None, None) => String::new(),
    };
    // A socket is told of each app that has it.
    let of = if change.app.is_empty() || change.key.starts_with("app.") {
        String::new()
    } else {
        format!(" of {}", change.app)
    };
    let why = if change.why.is_empty() { String::new() } else { format!(" ({})", change.why) };
    format!("{class:<8} {}{of}: {what}{why}", change.key)
}

#[cfg(test)]
mod tests {
    use drover_proto::latest::ChangeClass;

    use super::*;

    #[test]
    fn each_line_says_what_it_takes_and_what_becomes_what() {
        let change = |app: &str, key: &str, class: ChangeClass, from: &str, to: &str| Change {
            app: app.into(),
            key: key.into(),
            class: class.into(),
            from: Some(from.to_owned()).filter(|text| !text.is_empty()),
            to: Some(to.to_owned()).filter(|text| !text.is_empty()),
            why: if class == ChangeClass::Restart { "why not".into() } else { String::new() },
        };
        let changes = vec![
            change("web", "app.web.workers", ChangeClass::Live, "2", "4"),
            change("web", "app.web.cwd", ChangeClass::Reload, "", "/srv"),
            change("web", "app.web.cwd", ChangeClass::Reload, "/srv", ""),
            change("web", "app.web.kind", ChangeClass::Restart, "service", "oneshot"),
            change("web", "sockets.http.backlog", ChangeClass::Reload, "1024", "7"),
            change("new", "app.new", ChangeClass::Add, "", "1 worker of ./new"),
            change("old", "app.old", ChangeClass::Remove, "1 worker of ./old", ""),
            change("", "master.name", ChangeClass::Master, "shop", "store"),
        ];
        let plan = Plan { changes, ..Default::default() };
        assert_eq!(
            text(&plan),
            "live     app.web.workers: 2 → 4\n\
             reload   app.web.cwd: none → /srv\n\
             reload   app.web.cwd: /srv → none\n\
             restart  app.web.kind: service → oneshot (why not)\n\
             reload   sockets.http.backlog of web: 1024 → 7\n\
             add      app.new: 1 worker of ./new\n\
             remove   app.old: 1 worker of ./old\n\
             master   master.name: shop → store"
        );
        let none = Plan { file: "x.toml".into(), ..Default::default() };
        assert_eq!(text(&none), "no change: everything runs as x.toml says");
    }
}
