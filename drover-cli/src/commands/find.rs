//! Which master a verb means.
//!
//! Where a drover.toml lies, or `-f` names one, only the master of that very file is meant. Elsewhere the only live one is
//! found by verbs that look; a verb that changes something asks first.

use std::path::{Path, PathBuf};

use drover_master::control::{ClientError, ControlClient, ControlPath};

use super::socket_name::socket_of_file;
use super::{consent, file_lock, introduce, list, reach, refusal::report};
use crate::args::{Global, Intent};
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::path::{file_here, whole};

/// Connects to the master that is meant.
pub(super) async fn connect(global: &Global) -> Result<ControlClient, ExitStatus> {
    let path = locate(global).await?;
    let mut client = reach::connect(global, &path).await.map_err(|error| unreached(global, &error))?;
    introduce::say(global, &path, &mut client).await;
    Ok(client)
}

/// How a stream of answers that is followed ended.
pub(super) enum FollowEnd {
    Done(ExitStatus),
    /// There is another master of this pid, which can be asked for the rest.
    ReplacedBy(u32),
}

impl FollowEnd {
    /// Where nobody goes on.
    pub(super) fn status(self) -> ExitStatus {
        match self {
            Self::Done(status) => status,
            Self::ReplacedBy(pid) => report(&ClientError::Crashed { pid }),
        }
    }
}

/// Connects to the master that has taken the place of the one that was followed.
pub(super) async fn successor(global: &Global, pid: u32) -> Result<ControlClient, ExitStatus> {
    let path = locate(global).await?;
    let client = reach::connect(global, &path).await.map_err(|error| unreached(global, &error))?;
    if !global.quiet {
        message::note(&format!("another master (pid {pid}) goes on"));
    }
    Ok(client)
}

/// Why a master could not be reached. A master that stays busy for as long as the user wanted to wait has not failed.
pub(super) fn unreached(global: &Global, error: &ClientError) -> ExitStatus {
    match (report(error), error) {
        (_, ClientError::Busy { .. } | ClientError::Silent { .. }) if global.time.is_typed() => {
            ExitStatus::TimedOut
        }
        (status, _) => status,
    }
}

/// Where the master is that is meant. Decided once for each call of the program, so that nobody is asked twice.
pub(super) async fn locate(global: &Global) -> Result<PathBuf, ExitStatus> {
    if let Some(path) = global.located.get() {
        return Ok(path.clone());
    }
    let path = decide(global).await?;
    Ok(global.located.get_or_init(|| path).clone())
}

async fn decide(global: &Global) -> Result<PathBuf, ExitStatus> {
    let own = ControlPath::live();
    let (here, named) = (file_here(), global.file.as_deref().map(whole));
    let question = Question {
        socket: global.socket.as_deref(),
        named: named.as_deref(),
        here: here.as_deref(),
        intent: global.intent,
    };
    let foreign = ControlPath::live_of_others();
    match question.answer(&own, &foreign) {
        Choice::At(path) => Ok(path),
        Choice::AskFirst(path) => {
            let file = files_of(std::slice::from_ref(&path)).await.pop().unwrap_or_default();
            let only = introduce::described(&path, &file);
            if consent::given_to_master(&format!("the only master is {only}")) {
                return Ok(path);
            }
            message::error_text(&format!(
                "there is no drover.toml here, and this would change the only running master, {only}; confirm it with -s {}, or name a file with -f FILE",
                path.display()
            ));
            Err(ExitStatus::Usage)
        }
        Choice::NotRunning(file) => {
            // One may serve under another name than its file's, or know that by another path.
            let all = [own.as_slice(), foreign.as_slice()].concat();
            let said = files_of(&all).await;
            let runs = |said: &String| {
                !said.is_empty() && question.files().any(|file| introduce::is_same_file(said.as_ref(), file))
            };
            if let Some(at) = said.iter().position(runs) {
                return Ok(all[at].clone());
            }
            if let Some(pid) = file_lock::holder_of(&file) {
                // "Start one" would be refused.
                message::error_text(&format!(
                    "the master of `{}` is pid {pid}, and its control socket is in none of the usual places; name it with -s, or end the \
                     master with `kill {pid}`",
                    file.display()
                ));
                return Err(ExitStatus::Unreachable);
            }
            message::error_text(&format!(
                "no master of `{}` is running; start one with `drover up -f {}`{}",
                file.display(),
                file.display(),
                others(&own).await
            ));
            Err(ExitStatus::Unreachable)
        }
        Choice::Nobody => {
            message::error_text(
                "no master of this user is running; start one with `drover up`, or name its socket with -s",
            );
            Err(ExitStatus::Unreachable)
        }
        Choice::Several(live) => {
            message::error_text(&format!("several masters are running; name one:{}", listed(&live).await));
            Err(ExitStatus::Usage)
        }
    }
}

/// The master that a verb would look at, if there is one, without a word.
pub(super) fn meant_silently(global: &Global, own: &[PathBuf]) -> Option<PathBuf> {
    let (here, named) = (file_here(), global.file.as_deref().map(whole));
    let question = Question {
        socket: global.socket.as_deref(),
        named: named.as_deref(),
        here: here.as_deref(),
        intent: Intent::Looks,
    };
    match question.answer(own, &[]) {
        Choice::At(path) => Some(path),
        _ => None,
    }
}

/// What is known when a verb looks for its master. Paths of files are absolute.
#[derive(Debug, Clone, Copy)]
struct Question<'a> {
    /// The socket that `-s` or DROVER_CONTROL names.
    socket: Option<&'a Path>,
    /// The file that `-f` names.
    named: Option<&'a Path>,
    /// The drover.toml of this directory.
    here: Option<&'a Path>,
    intent: Intent,
}

/// Which master that is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    At(PathBuf),
    /// The only one there is, which nothing here speaks for.
    AskFirst(PathBuf),
    /// The file is known, and its master does not run.
    NotRunning(PathBuf),
    Nobody,
    Several(Vec<PathBuf>),
}

impl<'a> Question<'a> {
    /// The files whose master may be meant, the nearest first. A comparison may read any file: the one that is named need not be
    /// the one of the master here.
    fn files(self) -> impl Iterator<Item = &'a Path> {
        let here = self.here.filter(|_| self.named.is_none() || self.intent == Intent::Applies);
        self.named.into_iter().chain(here)
    }

    /// `own`: the live masters of this user; `foreign`: those of other users, for root alone.
    fn answer(self, own: &[PathBuf], foreign: &[PathBuf]) -> Choice {
        if let Some(socket) = self.socket {
            return Choice::At(socket.to_owned());
        }
        let of_file = |file: &Path| socket_of_file(file, own).or_else(|| socket_of_file(file, foreign));
        if let Some(path) = self.files().find_map(of_file) {
            return Choice::At(path.clone());
        }
        if let Some(file) = self.files().next() {
            return Choice::NotRunning(file.to_owned());
        }
        match (if own.is_empty() { foreign } else { own }, self.intent) {
            ([], _) => Choice::Nobody,
            ([only], Intent::Looks) => Choice::At(only.clone()),
            ([only], _) => Choice::AskFirst(only.clone()),
            (several, _) => Choice::Several(several.to_vec()),
        }
    }
}

/// Those that run as well, for whoever meant one of them.
async fn others(live: &[PathBuf]) -> String {
    if live.is_empty() {
        return String::new();
    }
    format!("; masters of other files are running:{}", listed(live).await)
}

/// How each is named, and what it was started from.
async fn listed(live: &[PathBuf]) -> String {
    let line = |(path, file): (&PathBuf, String)| {
        let from = if file.is_empty() { String::new() } else { format!("  started from {file}") };
        format!("\n  -s {}{from}", path.display())
    };
    live.iter().zip(files_of(live).await).map(line).collect()
}

/// The files that these masters were started from; empty: one does not say, or does not answer.
async fn files_of(live: &[PathBuf]) -> Vec<String> {
    let of = |reply: &Option<_>| reply.as_ref().map(introduce::file_of).unwrap_or_default().to_owned();
    list::ask_all(live).await.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::socket_name::mark_of_file;

    fn socket(name: &str, file: &str) -> PathBuf {
        format!("/run/drover/{name}-{}.sock", mark_of_file(Path::new(file))).into()
    }

    /// `-s`, `-f`, the file here, what the verb does, the masters of this user and of others, and which one is meant.
    type Row<'a> = (
        Option<&'a Path>,
        Option<&'a str>,
        Option<&'a str>,
        Intent,
        &'a [&'a PathBuf],
        &'a [&'a PathBuf],
        Choice,
    );

    #[test]
    fn a_verb_means_the_master_of_its_file_and_never_another() {
        use Intent::{Applies, Changes, Looks};

        let (shop, blog) = ("/srv/shop/current/drover.toml", "/srv/blog/current/drover.toml");
        let (shops, blogs) = (socket("current", shop), socket("current", blog));
        let bare = PathBuf::from("/run/drover/demo-7.sock");
        let at = |path: &PathBuf| Choice::At(path.clone());
        let gone = |file: &str| Choice::NotRunning(file.into());
        let given = Path::new("/x.sock");
        let none: &[&PathBuf] = &[];
        let table: &[Row<'_>] = &[
            (Some(given), Some(shop), Some(blog), Changes, &[&shops, &blogs], none, Choice::At(given.into())),
            // Where a file lies, or is named, it alone counts.
            (None, None, Some(blog), Looks, &[&shops], none, gone(blog)),
            (None, None, Some(blog), Changes, &[&shops], none, gone(blog)),
            (None, None, Some(blog), Applies, &[&shops], none, gone(blog)),
            (None, None, Some(blog), Changes, &[&shops, &blogs], none, at(&blogs)),
            (None, None, Some(blog), Looks, &[&bare], none, gone(blog)),
            (None, Some(shop), Some(blog), Changes, &[&shops, &blogs], none, at(&shops)),
            (None, Some(shop), Some(blog), Changes, &[&blogs], none, gone(shop)),
            (None, Some(shop), Some(blog), Looks, &[&blogs], none, gone(shop)),
            // A file to compare with need not be the one that the master was started with.
            (None, Some(shop), Some(blog), Applies, &[&blogs], none, at(&blogs)),
            (None, Some(shop), Some(blog), Applies, &[&shops, &blogs], none, at(&shops)),
            (None, Some(shop), None, Applies, &[&blogs], none, gone(shop)),
            // Elsewhere the only one is for looking.
            (None, None, None, Looks, &[&shops], none, at(&shops)),
            (None, None, None, Changes, &[&shops], none, Choice::AskFirst(shops.clone())),
            (None, None, None, Applies, &[&bare], none, Choice::AskFirst(bare.clone())),
            (None, None, None, Looks, none, none, Choice::Nobody),
            (None, None, None, Changes, none, none, Choice::Nobody),
            (
                None,
                None,
                None,
                Looks,
                &[&shops, &blogs],
                none,
                Choice::Several(vec![shops.clone(), blogs.clone()]),
            ),
            // Root finds those of others, after its own.
            (None, None, None, Looks, none, &[&shops], at(&shops)),
            (None, None, None, Looks, &[&blogs], &[&shops], at(&blogs)),
            (None, None, None, Changes, none, &[&shops], Choice::AskFirst(shops.clone())),
            (None, None, Some(shop), Changes, &[&blogs], &[&shops], at(&shops)),
        ];
        for (row, (socket, named, here, intent, own, foreign, choice)) in table.iter().enumerate() {
            let question = Question {
                socket: *socket,
                named: named.map(Path::new),
                here: here.map(Path::new),
                intent: *intent,
            };
            let paths = |paths: &[&PathBuf]| paths.iter().map(|path| (*path).clone()).collect::<Vec<_>>();
            assert_eq!(question.answer(&paths(own), &paths(foreign)), *choice, "row {row}: {question:?}");
        }
    }
}
