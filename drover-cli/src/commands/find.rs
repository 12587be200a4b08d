//! Which master a verb means.
//!
//! Where a drover.toml lies, or `-f` names one, only the master of that very file is meant. Elsewhere the only live one is
//! found by verbs that look; a verb that changes something asks first.

use std::path::{Path, PathBuf};

use drover_master::control::{ClientError, ControlClient, ControlPath};

use super::{consent, file_lock, introduce, list, patience, refusal::report};
use crate::args::{Global, Intent};
use crate::config;
use crate::exit_status::ExitStatus;
use crate::output::message;
use crate::path::whole;

/// Connects to the master that is meant.
pub(super) async fn connect(global: &Global) -> Result<ControlClient, ExitStatus> {
    let path = locate(global).await?;
    let mut client = patience::connect(global, &path).await.map_err(|error| unreached(global, &error))?;
    introduce::say(global, &path, &mut client).await;
    Ok(client)
}

/// Why a master could not be reached. One that is busy for as long as the user wanted to wait is no master that fails.
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

/// Whether the name of a master's socket has the mark of another file than this one.
pub(super) fn is_of_another_file(socket: &Path, file: &Path) -> bool {
    let name = name_of_socket(socket);
    let mark = name.rsplit_once('-').map(|(_, mark)| mark).filter(|mark| mark.len() == 8);
    mark.is_some_and(|mark| mark.bytes().all(|byte| byte.is_ascii_hexdigit()) && mark != mark_of_file(file))
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
    match question.answer(&own, &ControlPath::live_of_others()) {
        Choice::At(path) => Ok(path),
        Choice::AskFirst(path) => {
            let file = files_of(std::slice::from_ref(&path)).await.pop().unwrap_or_default();
            let only = introduce::described(&path, &file);
            if consent::given_to_master(&format!("the only master is {only}")) {
                return Ok(path);
            }
            message::error_text(&format!(
                "no drover.toml lies here, and this would change the only master, {only}; say so with -s {}, or with -f FILE",
                path.display()
            ));
            Err(ExitStatus::Usage)
        }
        Choice::NotRunning(file) => {
            if let Some(pid) = file_lock::holder_of(&file) {
                // "Start one" would be refused.
                message::error_text(&format!(
                    "the master of `{}` is pid {pid}, and its control socket is not where this looks; name it with -s, or end the \
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

impl Question<'_> {
    /// `own`: the live masters of this user; `foreign`: those of other users, for root alone.
    fn answer(self, own: &[PathBuf], foreign: &[PathBuf]) -> Choice {
        if let Some(socket) = self.socket {
            return Choice::At(socket.to_owned());
        }
        let of_file = |file: &Path| socket_of_file(file, own).or_else(|| socket_of_file(file, foreign));
        // A comparison may read any file: the one that is named need not be the one of the master here.
        let compared_here = self.here.filter(|_| self.intent == Intent::Applies);
        let files: Vec<&Path> = match self.named {
            Some(named) => [Some(named), compared_here].into_iter().flatten().collect(),
            None => self.here.into_iter().collect(),
        };
        if let Some(path) = files.iter().find_map(|file| of_file(file)) {
            return Choice::At(path.clone());
        }
        if let Some(file) = files.first() {
            return Choice::NotRunning((*file).to_owned());
        }
        match (if own.is_empty() { foreign } else { own }, self.intent) {
            ([], _) => Choice::Nobody,
            ([only], Intent::Looks) => Choice::At(only.clone()),
            ([only], _) => Choice::AskFirst(only.clone()),
            (several, _) => Choice::Several(several.to_vec()),
        }
    }
}

/// The socket among these whose master runs a file; the file may have changed its name since.
pub(super) fn socket_of_file<'p>(file: &Path, live: &'p [PathBuf]) -> Option<&'p PathBuf> {
    let ending = format!("-{}.sock", mark_of_file(file));
    live.iter().find(|path| path.to_string_lossy().ends_with(&ending))
}

/// Those that run as well, for whoever meant one of them.
async fn others(live: &[PathBuf]) -> String {
    if live.is_empty() {
        return String::new();
    }
    format!("; of other files run:{}", listed(live).await)
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

pub(super) fn name_of_socket(path: &Path) -> String {
    path.file_stem().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// The drover.toml of this directory, if there is one.
pub(super) fn file_here() -> Option<PathBuf> {
    let file = whole(Path::new("drover.toml"));
    file.exists().then_some(file)
}

/// What tells a file from all others in the name of its master's socket: FNV-1a of its absolute path, which is the same in
/// every version of this program.
pub(super) fn mark_of_file(file: &Path) -> String {
    let bytes = file.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{:08x}", hash & 0xffff_ffff)
}

/// The name that the master of a file serves under.
pub(super) fn served_as(config: &config::Config, file: &Path) -> String {
    format!("{}-{}", fit(&name_of_file(config, file)), mark_of_file(&whole(file)))
}

/// The master's name: the file's, else its directory's.
pub(super) fn name_of_file(config: &config::Config, file: &Path) -> String {
    config.master.name.clone().or_else(|| name_of_directory(file)).unwrap_or_else(|| "drover".to_owned())
}

/// The name of the directory that a file is in, made fit for a name.
fn name_of_directory(file: &Path) -> Option<String> {
    let file = whole(file);
    let dir = file.parent()?.file_name()?;
    Some(fit(&dir.to_string_lossy()))
}

/// A name made of what may stand in one. Short enough for a socket's path with the mark behind it.
pub(super) fn fit(text: &str) -> String {
    let usable = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = text.chars().map(usable).take(48).collect();
    if name.is_empty() { "app".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_name_of_a_socket_tells_whether_its_master_runs_another_file() {
        let (shop, blog) = (Path::new("/srv/shop/drover.toml"), Path::new("/srv/blog/drover.toml"));
        let of_shop = socket("shop", "/srv/shop/drover.toml");
        assert!(!is_of_another_file(&of_shop, shop));
        assert!(is_of_another_file(&of_shop, blog));
        // These tell nothing.
        for unmarked in ["/x.sock", "/run/drover/demo-7.sock", "/run/drover/web-standby1.sock"] {
            assert!(!is_of_another_file(Path::new(unmarked), blog), "{unmarked}");
        }
    }

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

    #[test]
    fn names_that_are_alike_when_made_fit_are_told_apart_by_the_mark() {
        let mark = |path: &str| mark_of_file(Path::new(path));
        assert_ne!(mark("/srv/ä/drover.toml"), mark("/srv/ö/drover.toml"));
        assert_eq!(mark("/srv/shop/drover.toml"), mark("/srv/shop/drover.toml"));
        assert_eq!(mark("/srv/shop/drover.toml").len(), 8);
    }
}
