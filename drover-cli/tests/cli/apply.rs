//! `drover diff` and `drover apply`.

use serde_json::Value;

use crate::harness::Home;

const WEB: &str = "[app.web]\ncommand = 'sleep 1000'\nworkers = 2\nstart.min_uptime = '50ms'\n";
const OLD: &str = "[app.old]\ncommand = 'sleep 1001'\nworkers = 1\nstart.min_uptime = '50ms'\n";
const NEW: &str = "[app.new]\ncommand = 'sleep 1002'\nworkers = 1\nstart.min_uptime = '50ms'\n";

fn rewrite(home: &Home, toml: &str) {
    home.write("drover.toml", &format!("version = 1\n{toml}"));
}

fn apps(home: &Home) -> Vec<(String, u64)> {
    let status = home.status();
    let apps = status["apps"].as_array().expect("a list").iter();
    apps.map(|app| {
        (app["name"].as_str().expect("a name").to_owned(), app["ready"].as_u64().expect("a count"))
    })
    .collect()
}

#[test]
fn a_plan_is_shown_and_applied_and_then_nothing_is_different() {
    let home = Home::new();
    let master = home.up(&format!("{WEB}{OLD}"));
    master.says("web is running");
    master.says("old is running");
    let none = home.run(&["diff"]);
    let file = home.path("drover.toml").display().to_string();
    assert_eq!((none.code, none.stdout), (Some(0), format!("no change: everything runs as {file} says\n")));

    let web = WEB.replace("workers = 2", "workers = 3");
    rewrite(&home, &format!("master.shutdown_timeout = '20s'\n{web}depends_on = {{ new = 'ready' }}\n{NEW}"));
    let plan = "live     master.shutdown_timeout: 45s → 20s\n\
                live     app.web.workers: 2 → 3\n\
                live     app.web.depends_on: none → new ready\n\
                add      app.new: 1 worker of sleep 1002\n\
                remove   app.old: 1 worker of sleep 1001\n";
    let diff = home.run(&["diff"]);
    assert_eq!((diff.code, diff.stdout.as_str(), diff.stderr.as_str()), (Some(0), plan, ""));
    let dry = home.run(&["apply", "--dry-run"]);
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(0), plan));
    assert_eq!(apps(&home), [("web".to_owned(), 2), ("old".to_owned(), 1)]);

    let done = home.run(&["apply"]);
    let expected = format!("{plan}master changed\nnew added\nweb changed\nold removed\n");
    assert_eq!((done.code, done.stdout), (Some(0), expected));
    // Where that takes long, it says so.
    let is_patience = |line: &str| line.contains("still waiting: ");
    assert!(done.stderr.lines().all(is_patience), "{}", done.stderr);
    assert_eq!(apps(&home), [("web".to_owned(), 3), ("new".to_owned(), 1)]);
    let again = home.run(&["apply", "-y"]);
    assert!(again.code == Some(0) && again.stdout.starts_with("no change: "), "{again:?}");
    home.run(&["logs", "old"]).failed(4, &["there is no app `old`"]);
    let described = home.run(&["describe", "web"]);
    assert!(described.stdout.contains("new ready"), "{described:?}");
    home.down(master);
}

#[test]
fn a_plan_as_json_has_each_change_and_no_secret() {
    let home = Home::new();
    let master = home.up(WEB);
    master.says("web is running");
    rewrite(&home, &format!("master.name = 'other'\n{WEB}env.TOKEN = 'hunter2'\n"));
    let diff = home.run(&["diff", "--json"]);
    assert!(!diff.stdout.contains("hunter2"), "{diff:?}");
    let plan: Value = serde_json::from_str(&diff.stdout).expect("it is JSON");
    let changes = plan["changes"].as_array().expect("a list");
    assert_eq!((&changes[0]["key"], &changes[0]["class"]), (&"master.name".into(), &"master".into()));
    assert_eq!((&changes[0]["app"], &changes[0]["to"]), (&Value::Null, &"other".into()));
    assert_eq!((&changes[1]["key"], &changes[1]["from"]), (&"app.web.env.TOKEN".into(), &Value::Null));
    assert_eq!((&changes[1]["app"], changes.len()), (&"web".into(), 2));

    rewrite(&home, &format!("master.name = 'other'\n{WEB}"));
    let stays = home.run(&["apply"]);
    assert_eq!(stays.code, Some(0));
    assert!(stays.stderr.contains("master.name takes effect only when drover itself restarts"), "{stays:?}");
    home.down(master);
}

#[test]
fn a_file_with_mistakes_is_refused_whole_and_every_one_is_shown_in_its_place() {
    let home = Home::new();
    let master = home.up(WEB);
    master.says("web is running");
    let before = home.worker("web", 0, "started")["pid"].clone();
    rewrite(&home, &format!("{}{NEW}bad = 1\n[app.x]\n", WEB.replace("1000", "7")));
    // From wherever they are asked, masters name their file by its whole path.
    let file = home.path("drover.toml");
    let checked = home.run(&["validate", "-f", file.to_str().unwrap()]);
    for verb in ["diff", "apply"] {
        let refused = home.run(&[verb]);
        assert_eq!((refused.code, &refused.stderr), (Some(2), &checked.stderr), "{verb}");
        assert!(
            refused.stderr.contains("unknown key `bad`") && refused.stderr.contains("command"),
            "{refused:?}"
        );
    }
    rewrite(&home, &format!("{}user = 'no-such-user'\n", WEB.replace("1000", "7")));
    home.run(&["apply"]).failed(2, &["app `web`", "no-such-user"]);
    std::fs::remove_file(home.path("drover.toml")).expect("it is there");
    home.run(&["apply"]).failed(2, &["no drover.toml here"]);
    assert_eq!((home.worker("web", 0, "started")["pid"].clone(), apps(&home).len()), (before, 1));
    home.down(master);
}

#[test]
fn an_app_that_fails_by_its_change_is_as_it_was_and_the_code_says_so() {
    let home = Home::new();
    let master = home.up(&format!("{WEB}{OLD}"));
    master.says("web is running");
    let broken = WEB.replace("'sleep 1000'", "['sh', '-c', 'echo no seat >&2; exit 3']");
    rewrite(&home, &broken);
    let ended = home.run(&["apply"]);
    ended.failed(8, &["app `web`", "exited with code 3", "it is as it was before"]);
    assert!(ended.stderr.contains("no seat"), "{ended:?}");
    assert!(ended.stderr.contains("old was not touched: an earlier step failed"), "{ended:?}");
    assert_eq!(apps(&home), [("web".to_owned(), 2), ("old".to_owned(), 1)]);
    rewrite(&home, &format!("{WEB}{OLD}{}", NEW.replace("sleep 1002", "no-such-program")));
    home.run(&["apply"]).failed(8, &["app `new`", "no-such-program", "it was removed again"]);
    assert_eq!(apps(&home).len(), 2);
    home.down(master);
}

#[test]
fn who_does_not_wait_leaves_the_apply_to_the_master() {
    let home = Home::new();
    let master = home.up(WEB);
    master.says("web is running");
    rewrite(&home, &format!("{WEB}{}", NEW.replace("50ms", "400ms")));
    home.run(&["apply", "--timeout", "50ms"]).failed(124, &["not done within 50ms"]);
    let second = home.run(&["apply"]);
    // Either the first one is under way still, or it is done by now.
    assert!(second.code == Some(0) || second.stderr.contains("another apply is under way"), "{second:?}");
    master.says("new is running");
    rewrite(&home, WEB);
    home.until("the end of the first", |_| {
        let begun = home.run(&["apply", "--no-wait"]);
        (begun.code == Some(0)).then_some(()).filter(|()| begun.stderr.contains("the master applies it"))
    });
    home.until("the end of new", |status| (status["apps"].as_array()?.len() == 1).then_some(()));
    home.down(master);
}

#[test]
fn another_file_is_read_where_the_client_says_and_a_master_without_one_has_none() {
    let home = Home::new();
    let master = home.up(WEB);
    master.says("web is running");
    home.write("other.toml", &format!("version = 1\n{NEW}"));
    let diff = home.run(&["diff", "-f", "other.toml"]);
    assert_eq!(
        diff.stdout,
        "add      app.new: 1 worker of sleep 1002\nremove   app.web: 2 workers of sleep 1000\n"
    );
    home.run(&["diff", "-f", "nowhere.toml"]).failed(2, &["no such file"]);
    let same = home.run(&["diff", "-f", &home.path("./drover.toml").display().to_string()]);
    assert!(same.stdout.starts_with("no change: "), "{same:?}");
    home.down(master);

    let master = home.start_sh(&["-n", "1"], "exec sleep 1000");
    master.says("app is running");
    home.run(&["diff"]).failed(1, &["this master was not started from a file"]);
    home.run(&["apply", "-f", "other.toml"]).failed(1, &["this master was not started from a file"]);
    home.down(master);
}

#[test]
fn the_profile_that_a_master_was_started_with_stays_unless_another_is_named() {
    let home = Home::new();
    let profiles = "[profiles.dev.app.web]\nworkers = 1\n[profiles.wide.app.web]\nworkers = 3\n";
    rewrite(&home, &format!("{WEB}{profiles}"));
    let master = home.start(&["up", "--profile", "dev"]);
    master.says("web is running");
    assert_eq!(
        (&home.status()["master"]["profile"], apps(&home)),
        (&"dev".into(), vec![("web".to_owned(), 1)])
    );
    let told = "profile `dev` is laid over the file, because the master was started with it";
    let same = home.run(&["diff"]);
    assert!(
        same.stdout.starts_with("no change: ") && same.stdout.ends_with("says with profile dev\n"),
        "{same:?}"
    );
    assert!(same.stderr.contains(told), "{same:?}");
    let of = |args: &[&str]| home.run(&[&["diff"], args].concat()).stdout;
    assert_eq!(of(&["--profile", "wide"]), "live     app.web.workers: 1 → 3\n");
    assert_eq!(of(&["--no-profile"]), "live     app.web.workers: 1 → 2\n");
    home.run(&["diff", "--profile", "dve"]).failed(2, &["no profile `dve`", "did you mean `dev`"]);
    let json: Value = serde_json::from_str(&of(&["--json", "--profile", "wide"])).expect("it is JSON");
    assert_eq!(json["profile"], "wide");
    assert_eq!(home.run(&["apply", "--profile", "wide"]).code, Some(0));
    assert_eq!(apps(&home), [("web".to_owned(), 3)]);
    // One that names none is back at that of the start, and says so.
    let back = home.run(&["apply"]);
    assert!(back.code == Some(0) && back.stderr.contains(told), "{back:?}");
    assert_eq!(apps(&home), [("web".to_owned(), 1)]);
    home.down(master);
}
