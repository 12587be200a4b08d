//! Which master a verb means, and whether there can be one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{SIGCONT, SIGSTOP};

use crate::harness::{Ended, Home, Running};

fn bare(home: &Home, args: &[&str]) -> Ended {
    Running::start(&mut home.bare(args)).end()
}

/// A master that is found by its name.
fn named(home: &Home, name: &str) -> Running {
    let master = Running::start(&mut home.bare(&["run", "--name", name, "--", "sleep", "1000"]));
    master.says(&format!("{name} starts"));
    master
}

/// Whether masters that this test knows nothing of are alive in places that all masters of this user share.
fn are_strangers_alive() -> bool {
    let shared = ["/run/drover".to_owned(), format!("/tmp/drover-{}", nix::unistd::geteuid())];
    let sockets = shared.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten());
    let mut paths = sockets.map(|entry| entry.path());
    paths.any(|path| UnixStream::connect(path).is_ok())
}

#[test]
fn without_a_master_the_remedy_is_named() {
    let home = Home::new();
    for verb in ["status", "events", "down"] {
        let ended = home.run(&[verb]);
        let socket = home.socket();
        let socket = socket.to_str().unwrap();
        ended.failed(
            6,
            &[
                &format!("no master answers at `{socket}`"),
                &format!("start one there with `drover -s {socket} up`"),
            ],
        );
        if !are_strangers_alive() {
            bare(&home, &[verb]).failed(6, &["no master of this user is running", "`drover up`", "-s"]);
        }
    }
}

#[test]
fn one_master_is_found_and_two_are_listed() {
    let home = Home::new();
    let one = named(&home, "one");
    if !are_strangers_alive() {
        assert_eq!(bare(&home, &["status", "-q"]).stdout, "one/0\n");
    }
    let two = named(&home, "two");
    let ended = bare(&home, &["status"]);
    ended.failed(2, &["several masters are running; name one"]);
    for name in ["one", "two"] {
        let socket = home.path("run/drover").join(format!("{name}.sock"));
        assert!(ended.stderr.contains(&format!("  -s {}\n", socket.display())), "{ended:#?}");
        assert_eq!(bare(&home, &["-s", socket.to_str().unwrap(), "down"]).code, Some(0));
    }
    assert_eq!((one.end().code, two.end().code), (Some(0), Some(0)));
}

/// Two projects whose directories have the same name.
fn two_projects(home: &Home) -> (PathBuf, PathBuf) {
    let project = |name: &str, app: &str| {
        let dir = home.path(name).join("current");
        fs::create_dir_all(&dir).expect("a directory can be made");
        let text = format!("version = 1\n[app.{app}]\nworkers = 1\ncommand = [\"sleep\", \"1000\"]\n");
        fs::write(dir.join("drover.toml"), text).expect("a file can be written");
        dir
    };
    (project("shop", "shop"), project("blog", "blog"))
}

fn in_dir(home: &Home, dir: &Path, args: &[&str]) -> std::process::Command {
    let mut command = home.bare(args);
    command.current_dir(dir).env("PWD", dir);
    command
}

#[test]
fn where_a_file_lies_no_other_files_master_is_touched() {
    let home = Home::new();
    let (shop, blog) = two_projects(&home);
    let ask = |dir: &Path, args: &[&str]| Running::start(&mut in_dir(&home, dir, args)).end();
    let running = Running::start(&mut in_dir(&home, &shop, &["up"]));
    running.says("shop is running");
    for verb in [&["status"][..], &["diff"], &["apply", "-y"], &["stop", "*"], &["reload", "shop"], &["down"]]
    {
        let ended = ask(&blog, verb);
        ended.failed(6, &["no master of `", "/blog/current/drover.toml` is running", "`drover up -f "]);
        assert!(ended.stderr.contains("/run/drover/current-"), "the others are told: {ended:#?}");
    }
    // Each file has its own, and both run side by side.
    let other = Running::start(&mut in_dir(&home, &blog, &["up"]));
    other.says("blog is running");
    assert_eq!(ask(&blog, &["status", "-q"]).stdout, "blog/0\n");
    assert_eq!(ask(&shop, &["status", "-q"]).stdout, "shop/0\n");
    let blogs = blog.join("drover.toml");
    let blogs = blogs.to_str().unwrap();
    assert_eq!(
        ask(&shop, &["status", "-q", "-f", blogs]).stdout,
        "blog/0\n",
        "-f is nearer than the directory"
    );
    let down = ask(&shop, &["down", "-f", blogs]);
    assert_eq!(down.code, Some(0), "{down:#?}");
    assert!(down.stderr.contains("the master is `current-"), "{down:#?}");
    assert_eq!(other.end().code, Some(0));
    // Elsewhere the only one is for looking.
    if !are_strangers_alive() {
        let elsewhere = home.path("run");
        assert_eq!(ask(&elsewhere, &["status", "-q"]).stdout, "shop/0\n");
        ask(&elsewhere, &["down"]).failed(2, &["there is no drover.toml here", "-s ", "-f FILE"]);
    }
    assert_eq!(ask(&shop, &["down"]).code, Some(0));
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_file_has_one_master_whatever_the_environment_says() {
    let home = Home::new();
    let (shop, _) = two_projects(&home);
    let running = Running::start(&mut in_dir(&home, &shop, &["up"]));
    running.says("shop is running");
    let elsewhere = home.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for detach in [&["up"][..], &["up", "-d"]] {
        let mut second = in_dir(&home, &shop, detach);
        second.env("XDG_RUNTIME_DIR", &elsewhere);
        Running::start(&mut second)
            .end()
            .failed(1, &["/shop/current/drover.toml` is already running", &format!("pid {}", running.pid())]);
    }
    assert_eq!(Running::start(&mut in_dir(&home, &shop, &["down"])).end().code, Some(0));
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_directory_entered_by_a_link_means_what_the_link_means() {
    let home = Home::new();
    let (shop, blog) = two_projects(&home);
    let link = home.path("release");
    std::os::unix::fs::symlink(&shop, &link).unwrap();
    let running = Running::start(&mut in_dir(&home, &link, &["up"]));
    running.says("shop is running");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&blog, &link).unwrap();
    let diff = Running::start(&mut in_dir(&home, &link, &["diff"])).end();
    assert_eq!(diff.code, Some(0), "{diff:#?}");
    assert!(!diff.stderr.contains("is not the file"), "{diff:#?}");
    assert!(diff.stdout.contains("blog"), "the new release is read: {diff:#?}");
    // By its own path it is the same file; another one is told.
    let ask = |file: &str| Running::start(&mut in_dir(&home, &link, &["diff", "-f", file])).end();
    let same = ask(blog.join("drover.toml").to_str().unwrap());
    assert!(!same.stderr.contains("is not the file"), "{same:#?}");
    let other = shop.join("drover.toml");
    let (other, started_from) = (other.to_str().unwrap(), link.join("drover.toml"));
    let told = ask(other).stderr;
    let (other, from) = (format!("`{other}` is not the file that this master was"), started_from.display());
    assert!(told.contains(&other) && told.contains(&format!("that is `{from}`")), "{told}");
    assert_eq!(Running::start(&mut in_dir(&home, &link, &["down"])).end().code, Some(0));
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_master_is_found_by_the_file_that_it_says_whatever_its_socket_and_the_path_are_called() {
    let home = Home::new();
    let (shop, blog) = two_projects(&home);
    let place = home.path("run/drover");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
    let socket = place.join("other.sock");
    let running = Running::start(&mut in_dir(&home, &shop, &["-s", socket.to_str().unwrap(), "up"]));
    running.says("shop is running");
    let link = home.path("release");
    std::os::unix::fs::symlink(&shop, &link).unwrap();
    let ask = |dir: &Path, args: &[&str]| Running::start(&mut in_dir(&home, dir, args)).end();
    for dir in [&shop, &link] {
        assert_eq!(ask(dir, &["status", "-q"]).stdout, "shop/0\n");
    }
    let shops = shop.join("drover.toml").display().to_string();
    let refused = ask(&blog, &["down"]);
    refused.failed(6, &["/blog/current/drover.toml` is running"]);
    let listed = format!("  -s {}  started from {shops}\n", socket.display());
    assert!(refused.stderr.contains(&listed), "{refused:#?}");
    let list = ask(&blog, &["list"]).stdout;
    assert!(list.contains(&shops), "{list}");
    let down = ask(&link, &["down"]);
    assert_eq!(down.code, Some(0), "{down:#?}");
    assert!(down.stderr.contains(&format!("started from {shops}")), "{down:#?}");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_socket_that_is_named_tells_when_its_master_is_of_another_file() {
    let home = Home::new();
    let (shop, blog) = two_projects(&home);
    let socket = home.socket();
    let socket = socket.to_str().unwrap();
    let ask = |dir: &Path, args: &[&str]| Running::start(&mut in_dir(&home, dir, args)).end();
    let running = Running::start(&mut in_dir(&home, &shop, &["-s", socket, "up"]));
    running.says("shop is running");
    let (shops, blogs) = (shop.join("drover.toml"), blog.join("drover.toml"));
    let (shops, blogs) = (shops.to_str().unwrap(), blogs.to_str().unwrap());
    let is_other = format!("`{blogs}` is not the file that this master was started from; that is `{shops}`");
    // In the directory of another file, or with another file, whatever the verb.
    for (dir, args) in [
        (&blog, &["restart", "shop"][..]),
        (&blog, &["logs"]),
        (&blog, &["diff"]),
        (&shop, &["status", "-f", blogs]),
        (&shop, &["diff", "-f", blogs]),
        (&home.path("run"), &["apply", "--dry-run", "-f", blogs]),
    ] {
        let told = ask(dir, &[&["-s", socket], args].concat());
        assert_eq!(told.code, Some(0), "{args:?}: {told:#?}");
        assert_eq!(told.stderr.matches(&is_other).count(), 1, "{args:?}: {told:#?}");
    }
    for (dir, args) in [(&shop, &["status"][..]), (&blog, &["-q", "status"]), (&blog, &["diff", "-f", shops])]
    {
        let quiet = ask(dir, &[&["-s", socket], args].concat());
        assert!(!quiet.stderr.contains("is not the file"), "{args:?}: {quiet:#?}");
    }
    let status = ask(&shop, &["-s", socket, "status", "--json"]).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["master"]["file"], shops);
    let header = ask(&shop, &["-s", socket, "status"]).stdout;
    assert!(header.lines().next().unwrap().ends_with(&format!(", from {shops}")), "{header}");
    // Where the socket was set and not typed, the master is named with its file.
    let down = Running::start(in_dir(&home, &blog, &["down"]).env("DROVER_CONTROL", socket)).end();
    assert_eq!(down.code, Some(0), "{down:#?}");
    let named = format!("the master is `d` at {socket}, started from {shops}\n");
    assert!(down.stderr.contains(&named) && down.stderr.contains(&is_other), "{down:#?}");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn the_environment_can_name_the_socket() {
    let home = Home::new();
    let with = |args: &[&str]| Running::start(home.bare(args).env("DROVER_CONTROL", home.socket()));
    let master = with(&["run", "--name", "app", "--", "sleep", "1000"]);
    master.says("app starts");
    assert!(home.socket().exists());
    assert_eq!(with(&["status", "-q"]).end().stdout, "app/0\n");
    // What is typed is nearer than what is set.
    let ended = with(&["-s", "nowhere.sock", "status"]).end();
    ended.failed(6, &["`nowhere.sock`"]);
    assert_eq!(with(&["down"]).end().code, Some(0));
    assert_eq!(master.end().code, Some(0));
    // A variable that is empty says nothing.
    let mut command = home.bare(&["run", "--", "true"]);
    assert_eq!(Running::start(command.env("DROVER_CONTROL", "")).end().code, Some(0));
}

#[test]
fn a_master_that_is_stopped_is_not_waited_for_for_ever() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    demo.signal(SIGSTOP);
    home.run(&["status"]).failed(6, &["does not answer within 5s", "it may be stopped (SIGSTOP)"]);
    demo.signal(SIGCONT);
    home.down(demo);
}

#[test]
fn a_second_master_on_the_same_socket_is_refused_and_the_first_goes_on() {
    let home = Home::new();
    let (demo, _) = home.demo(&["-n", "1"]);
    let second = home.run(&["run", "--", "sleep", "1000"]);
    let socket = home.socket();
    let socket = socket.to_str().unwrap();
    second.failed(
        1,
        &[
            &format!("another master (pid {}) serves at `{socket}`", demo.pid()),
            &format!("`drover -s {socket} down`"),
            "another socket with -s",
        ],
    );
    assert_eq!(home.status()["master"]["pid"], demo.pid());
    home.down(demo);
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_stranger_is_not() {
    let home = Home::new();
    drop(UnixListener::bind(home.socket()).unwrap());
    let ended = home.run(&["status"]);
    ended.failed(6, &["no master answers", "Connection refused"]);
    let (demo, _) = home.demo(&["-n", "1"]);
    home.down(demo);

    let stranger = UnixListener::bind(home.socket()).unwrap();
    home.run(&["run", "--", "true"]).failed(1, &["another master serves at"]);
    drop(stranger);
    fs::remove_file(home.socket()).unwrap();
}

#[test]
fn a_file_in_the_way_is_left_alone() {
    let home = Home::new();
    let notes = home.write("notes", "dear diary");
    let run = |args: &[&str]| bare(&home, &[&["-s", notes.to_str().unwrap()], args].concat());
    run(&["run", "--", "true"]).failed(1, &["`", "notes", "is not a socket"]);
    run(&["status"]).failed(6, &["no master answers at"]);
    assert_eq!(fs::read_to_string(notes).unwrap(), "dear diary");
}

#[test]
fn places_where_a_socket_can_not_be() {
    let home = Home::new();
    let serve = |path: &Path| bare(&home, &["-s", path.to_str().unwrap(), "run", "--", "true"]);
    let long: PathBuf = home.path(&"x".repeat(100));
    serve(&long).failed(1, &["xxx", "a socket's may have 10", "choose a shorter one"]);

    let open = home.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let ended = serve(&open.join("d.sock"));
    ended.failed(1, &["others may write to", "(mode 777)", "choose another directory"]);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(serve(&open.join("d.sock")).code, Some(0));

    serve(&home.path("nowhere/d.sock")).failed(1, &["nowhere", "No such file or directory"]);
    serve(Path::new("")).failed(2, &["-s"]);
}

#[test]
fn a_runtime_directory_that_is_not_there_is_no_reason_to_fail() {
    let home = Home::new();
    let mut command = home.bare(&["run", "--name", "app", "--", "true"]);
    command.env("XDG_RUNTIME_DIR", home.path("not/there"));
    let ended = Running::start(&mut command).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[test]
fn another_user_may_neither_open_the_socket_nor_be_answered_if_he_could() {
    const STRANGER: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        crate::harness::skipped("only root can run a client as another user");
        return;
    }
    let home = Home::new();
    let (master, _) = home.demo(&["-n", "1"]);
    // Where the stranger can reach both the program and the socket.
    let program = home.path("drover");
    fs::copy(env!("CARGO_BIN_EXE_drover"), &program).unwrap();
    fs::set_permissions(home.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let ask = || {
        let mut command = std::process::Command::new(&program);
        command.arg("-s").arg(home.socket()).arg("status").uid(STRANGER).gid(STRANGER);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(5));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(ask().contains("may not be opened by this user"));
    fs::set_permissions(home.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let refusal = ask();
    assert!(refusal.contains("user 65534 may not control this master; its owner is user 0"), "{refusal}");
    home.down(master);
}
