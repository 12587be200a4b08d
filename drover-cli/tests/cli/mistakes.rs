//! Mistakes in drover.toml: all at once, exit code 2.

use crate::harness::{Ended, Home};

fn up(home: &Home, toml: &str) -> Ended {
    home.write("drover.toml", toml);
    home.run(&["up"])
}

fn mistaken(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert_eq!(ended.stdout, "");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part:?} is not in\n{}", ended.stderr);
    }
}

#[test]
fn no_file() {
    let home = Home::new();
    let dir = home.dir().to_str().unwrap();
    home.run(&["up"]).failed(2, &["no drover.toml here", dir, "name another file with -f"]);
    home.run(&["up", "-f", "shop.toml"]).failed(2, &["no such file: /", "/shop.toml"]);
    home.run(&["up", "-f", "."]).failed(2, &["cannot read ", dir, "directory"]);
}

#[test]
fn every_mistake_is_shown_where_it_stands() {
    let home = Home::new();
    let toml = "version = 1\n[app.web]\ncommand = \"web\"\nworker = 4\nstart.timeout = 30\nsockets = [\"http\"]\nrestart = \"sometimes\"\n";
    let ended = up(&home, toml);
    mistaken(
        &ended,
        &[
            "unknown key `worker` in app.web",
            "did you mean `workers`?",
            "drover.toml:4:1",
            "drover.toml:5:17",
            "`\"30s\"`",
            "unknown socket `http`",
            "drover.toml:7:11",
            "4 mistakes in /",
            "^^^^^^",
        ],
    );
    assert!(!ended.stderr.contains('\x1b'), "{ended:#?}");
    assert!(home.run(&["--color", "always", "up"]).stderr.contains('\x1b'));
}

#[test]
fn what_is_there_twice() {
    let home = Home::new();
    let app = "[app.web]\ncommand = \"web\"\n";
    mistaken(&up(&home, &format!("version = 1\n{app}{app}")), &["drover.toml:4:"]);
    let ended = up(
        &home,
        "version = 1\nsockets.a.listen = \"127.0.0.1:80\"\nsockets.b.listen = \"127.0.0.1:80\"\n[app.web]\ncommand = \"web\"\nsockets = [\"a\", \"a\"]\n",
    );
    mistaken(&ended, &["twice", "127.0.0.1:80"]);
}

#[test]
fn what_is_no_toml_and_no_text() {
    let home = Home::new();
    mistaken(&up(&home, "version = \n"), &["drover.toml:1:"]);
    mistaken(&up(&home, ""), &["version", "app"]);
    std::fs::write(home.path("drover.toml"), b"version = 1\n\xff\xfe\n").unwrap();
    home.run(&["up"]).failed(2, &["not UTF-8 text: line 2"]);
}

#[test]
fn a_mistaken_file_leaves_what_runs_alone() {
    let home = Home::new();
    let master = home.up("[app.a]\ncommand = \"sleep 1000\"\nworkers = 1\n");
    home.worker("a", 0, "started");
    mistaken(&up(&home, "nonsense"), &["drover.toml:1:"]);
    home.worker("a", 0, "started");
    home.down(master);
}
