//! Says which master a verb speaks to, before it does anything: its socket, and the file that it says it was started from.

use std::fs;
use std::path::Path;

use drover_master::control::ControlClient;
use drover_proto::latest::{Plan, StatusReply};

use super::socket_name::{is_of_another_file, name_of_socket};
use crate::args::{Global, Intent};
use crate::output::message;
use crate::path::{file_here, whole};

/// Names the master, once for each call of the program: where that was not typed, if the verb changes something; and wherever
/// a socket was named whose master was started from another file than the one that is named, or lies here.
pub(super) async fn say(global: &Global, socket: &Path, client: &mut ControlClient) {
    if global.quiet || global.introduced.set(()).is_err() {
        return;
    }
    let is_named = global.intent != Intent::Looks && !global.is_socket_typed;
    // By its file it was found, unless its socket was named. A plan says itself which file it is of.
    let named = global.file.as_deref().filter(|_| global.intent != Intent::Applies).map(whole);
    let is_of_plan = global.file.is_some() && global.intent == Intent::Applies;
    let wanted = named.or_else(|| file_here().filter(|_| !is_of_plan)).filter(|_| global.socket.is_some());
    if !is_named && wanted.is_none() {
        return;
    }
    // If the master does not answer this, the verb asks again and reports it.
    let file = client.status(&[]).await.map(|reply| file_of(&reply).to_owned()).unwrap_or_default();
    if is_named {
        message::note(&format!("the master is {}", described(socket, &file)));
    }
    if let Some(told) = wanted.and_then(|wanted| difference(socket, &file, &wanted)) {
        message::note(&told);
    }
}

/// Says so if a plan compares with another file than the one that the master was started from.
pub(super) fn say_of_plan(global: &Global, plan: &Plan) {
    let Some(socket) = global.located.get().filter(|_| !global.quiet) else { return };
    if plan.file != plan.running_file
        && let Some(told) = difference(socket, &plan.running_file, Path::new(&plan.file))
    {
        message::note(&told);
    }
}

/// The file that a master says it was started from; empty: it does not say.
pub(super) fn file_of(reply: &StatusReply) -> &str {
    reply.master.as_ref().map_or("", |master| &master.file)
}

/// A master by the name of its socket, where that is, and its file.
pub(super) fn described(socket: &Path, file: &str) -> String {
    let from = if file.is_empty() { String::new() } else { format!(", started from {file}") };
    format!("`{}` at {}{from}", name_of_socket(socket), socket.display())
}

/// That a file is not the one that a master was started from. One that does not say is known by the name of its socket, if that tells.
fn difference(socket: &Path, running: &str, file: &Path) -> Option<String> {
    let told = format!("`{}` is not the file that this master was started from", file.display());
    match running {
        "" => is_of_another_file(socket, file).then_some(told),
        running if is_same_file(Path::new(running), file) => None,
        running => Some(format!("{told}; that is `{running}`")),
    }
}

/// Whether two paths lead to one file.
pub(super) fn is_same_file(one: &Path, other: &Path) -> bool {
    let is_one =
        || matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other);
    one == other || is_one()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_master_says_of_its_file_counts_and_else_the_mark_in_its_sockets_name() {
        let (shop, blog) = (Path::new("/srv/shop/drover.toml"), Path::new("/srv/blog/drover.toml"));
        let marked =
            |file| format!("/run/drover/x-{}.sock", crate::commands::socket_name::mark_of_file(file));
        let (of_shop, given) = (marked(shop), "/x.sock".to_owned());
        // The socket, what its master says, the file that is meant, and whether that is another one.
        for (socket, running, file, is_other) in [
            (&given, "/srv/shop/drover.toml", shop, false),
            (&given, "/srv/shop/drover.toml", blog, true),
            (&of_shop, "/srv/blog/drover.toml", shop, true),
            (&of_shop, "/srv/blog/drover.toml", blog, false),
            (&of_shop, "", shop, false),
            (&of_shop, "", blog, true),
            (&given, "", blog, false),
        ] {
            let told = difference(Path::new(socket), running, file);
            assert_eq!(told.is_some(), is_other, "{socket} {running} {file:?}: {told:?}");
            assert!(told.is_none_or(|told| told.contains(running) && told.contains(file.to_str().unwrap())));
        }
    }

    #[test]
    fn a_file_is_the_same_by_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("drover.toml"), dir.path().join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(is_same_file(&file, &link));
        assert!(!is_same_file(&file, &dir.path().join("other")));
    }
}
