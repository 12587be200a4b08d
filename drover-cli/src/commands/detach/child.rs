//! The side of the master: how it is called, and what it does before it is one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use drover_master::config::file::STDIN;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::args::{Color, Global, UpArgs};

/// The arguments of the master that these arguments mean.
pub(super) fn arguments(global: &Global, args: &UpArgs, is_handed_over: bool) -> Vec<OsString> {
    let color = match global.color {
        Color::Auto => "auto",
        Color::Always => "always",
        Color::Never => "never",
    };
    let mut words: Vec<OsString> = vec!["--color".into(), color.into()];
    if let Some(socket) = &global.socket {
        words.extend(["--socket".into(), socket.into()]);
    }
    words.extend((0..global.verbose).map(|_| "--verbose".into()));
    words.extend(global.quiet.then(|| "--quiet".into()));
    let file = if is_handed_over { STDIN.into() } else { args.file.clone().into() };
    words.extend(["up".into(), "--detached".into(), "--file".into(), file]);
    for name in &args.only {
        words.extend(["--only".into(), name.into()]);
    }
    if let Some(profile) = &args.profile {
        words.extend(["--profile".into(), profile.into()]);
    }
    words.extend(args.keep_going.then(|| "--keep-going".into()));
    words.extend(args.no_keeper.then(|| "--no-keeper".into()));
    words
}

/// Leaves the session of whoever started it, and takes its stdin for the socket to tell them by.
///
/// From here on neither the end of that process nor of its terminal is one of the master. The answer is that socket, and the
/// configuration, if that process has handed it over.
///
/// # Errors
///
/// Stdin is not a socket: nobody but `drover up -d` starts it like this.
pub(in crate::commands) fn become_master() -> io::Result<(UnixStream, Option<String>)> {
    // The copy is closed by an exec, so that no worker keeps it open.
    let mut listener = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    listener.peer_addr()?;
    let mut text = String::new();
    listener.read_to_string(&mut text)?;
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    close_inherited();
    // A new process leads no group, so it may.
    nix::unistd::setsid()?;
    let_go_of_stamp()?;
    Ok((listener, Some(text).filter(|text| !text.is_empty())))
}

/// A worker of another master that starts this one does not leave it behind by mistake: it is none of its descendants any more.
/// Those are known by this limit, which limits nothing.
fn let_go_of_stamp() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_LOCKS)?;
    Ok(setrlimit(Resource::RLIMIT_LOCKS, hard, hard)?)
}

/// Closes what a shell, a cron job or an `ssh` has left open to its children: they wait until nobody has it any more. What was
/// opened since is closed by an exec, and so is told apart.
fn close_inherited() {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2 && is_inherited(*fd)) {
        // It can only be closed already.
        let _ = nix::unistd::close(fd);
    }
}

/// Whether a descriptor survives an exec, by its flags in `proc_pid_fdinfo(5)`, which are octal.
fn is_inherited(fd: i32) -> bool {
    const CLOSED_BY_EXEC: u32 = 0o2_000_000;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & CLOSED_BY_EXEC == 0)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};

    #[test]
    fn the_master_is_told_all_that_it_was_started_with() {
        let parse = |words: Vec<OsString>| {
            let cli = Cli::try_parse_from([vec!["drover".into()], words].concat()).unwrap();
            let Verb::Up(args) = cli.verb else { panic!() };
            (cli.global, args)
        };
        let typed = ["up", "-d", "--no-keeper"].map(OsString::from);
        let (global, args) = parse(typed.to_vec());
        let (_, as_master) = parse(arguments(&global, &args, false));
        assert!(args.no_keeper && as_master.no_keeper);
        let typed = "-s /x/y.sock -vv -q --color never up -d -f shop.toml --only a,b --profile p --keep-going --timeout 3s --log l";
        let (global, args) = parse(typed.split(' ').map(OsString::from).collect());
        let (again, as_master) = parse(arguments(&global, &args, false));
        assert_eq!((again.socket, again.verbose, again.quiet), (global.socket, global.verbose, global.quiet));
        assert_eq!(again.color, global.color);
        assert_eq!(
            (as_master.file, as_master.only, as_master.profile, as_master.keep_going),
            (args.file, args.only, args.profile, args.keep_going)
        );
        assert!(as_master.detached && !as_master.detach && as_master.log.is_none());
    }
}
