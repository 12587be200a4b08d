//! `drover import`: a file of another program becomes a drover.toml, and what is lost is named.

use serde_json::Value;

use crate::harness::{Home, skipped};

#[test]
fn what_is_written_is_valid_and_nothing_is_overwritten() {
    let home = Home::new();
    home.write("Procfile", "web: sleep $PORT\n");
    home.write(".env", "A=1\n");
    let made = home.run(&["import", "Procfile"]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:#?}");
    assert!(made.stdout.starts_with("# Made by `drover import procfile Procfile`.\n"), "{}", made.stdout);
    assert!(made.stdout.contains("env_file = \".env\""), "{}", made.stdout);
    assert_eq!(home.run(&["import", "procfile", "Procfile", "-o", "drover.toml"]).code, Some(0));
    assert_eq!(std::fs::read_to_string(home.path("drover.toml")).unwrap(), made.stdout);
    assert_eq!(home.run(&["validate", "--strict"]).code, Some(0));
    home.run(&["import", "Procfile", "-o", "drover.toml"]).failed(1, &["drover.toml already exists"]);
    // Paths mean the same from another directory.
    std::fs::create_dir(home.path("conf")).unwrap();
    assert_eq!(home.run(&["import", "Procfile", "-o", "conf/drover.toml"]).code, Some(0));
    let elsewhere = std::fs::read_to_string(home.path("conf/drover.toml")).unwrap();
    assert!(elsewhere.contains(&format!("cwd = \"{}\"", home.dir().display())), "{elsewhere}");
}

#[test]
fn what_can_not_be_read_is_told_in_one_sentence() {
    let home = Home::new();
    home.write("empty", " \n");
    home.write("notes.txt", "some words\n");
    std::fs::write(home.path("Procfile.bin"), b"web: a\n\0\n").unwrap();
    std::fs::write(home.path("Procfile.old"), b"web: a\nb: \xff\n").unwrap();
    home.run(&["import", "nothing"]).failed(2, &["no such file: nothing"]);
    home.run(&["import", "procfile", "nothing"]).failed(2, &["no such file: nothing"]);
    home.run(&["import", "procfile"]).failed(2, &["name the file to import"]);
    home.run(&["import", "empty"]).failed(2, &["empty: is empty"]);
    home.run(&["import", "."]).failed(2, &[".: is not a regular file"]);
    home.run(&["import", "notes.txt"]).failed(2, &["notes.txt: it is not clear what this is", "procfile"]);
    home.run(&["import", "Procfile.bin"]).failed(2, &["Procfile.bin:2: is binary"]);
    home.run(&["import", "Procfile.old", "-o", "new.toml"]).failed(2, &["Procfile.old:2: is not UTF-8"]);
    home.write("Procfile", "web: a\nb\n");
    home.run(&["import", "Procfile", "-o", "new.toml"]).failed(2, &["Procfile:2: a line of a Procfile is"]);
    assert!(!home.path("new.toml").exists());
}

#[test]
fn what_is_lost_is_named_and_strict_writes_nothing_for_it() {
    let home = Home::new();
    std::fs::create_dir(home.path("conf.d")).unwrap();
    home.write("s.conf", "[include]\nfiles = conf.d/*.ini\n");
    home.write("conf.d/b.ini", "[program:b]\ncommand=sleep 2\n");
    home.write("conf.d/a.ini", "[program:a]\ncommand=sleep 1\npriority=3\n");
    let made = home.run(&["import", "s.conf", "-o", "drover.toml"]);
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), ""), "{made:#?}");
    assert!(made.stderr.contains("conf.d/a.ini:3: `priority` of app `a` is not carried over: "), "{made:#?}");
    assert_eq!(home.run(&["validate"]).stdout, "drover.toml is valid: 2 apps, 0 sockets\n");
    let strict = home.run(&["import", "s.conf", "--strict", "-o", "new.toml", "--json"]);
    strict.failed(1, &["1 key can't be carried over, so nothing was written"]);
    assert!(!home.path("new.toml").exists());
    let json: Value = serde_json::from_str(&strict.stdout).unwrap();
    assert_eq!(json["toml"], Value::Null);
    let lost = &json["not_carried"][0];
    assert_eq!(
        (&lost["file"], &lost["line"], &lost["app"], &lost["key"]),
        (&"conf.d/a.ini".into(), &3.into(), &"a".into(), &"priority".into())
    );
    let json: Value = serde_json::from_str(&home.run(&["import", "s.conf", "--json"]).stdout).unwrap();
    assert_eq!(
        json["toml"].as_str().unwrap().replace(" s.conf", ""),
        std::fs::read_to_string(home.path("drover.toml")).unwrap().replace(" s.conf", "")
    );
}

#[test]
fn an_ecosystem_file_that_is_a_program_is_run_only_if_that_is_allowed() {
    let home = Home::new();
    let text = "const port = 3000;\nmodule.exports = { apps: [{ name: 'web', script: 'a.js', env: { PORT: port }, deep: 1 }] };\n";
    home.write("ecosystem.config.js", text);
    home.run(&["import", "ecosystem.config.js"])
        .failed(2, &["ecosystem.config.js:1: is not a literal", "--allow-js"]);
    if std::process::Command::new("node").arg("-v").output().is_err() {
        return skipped("there is no node");
    }
    let made = home.run(&["import", "ecosystem.config.js", "--allow-js", "-o", "drover.toml"]);
    assert_eq!(made.code, Some(0), "{made:#?}");
    assert!(
        made.stderr.contains("ecosystem.config.js: `deep` of app `web` is not carried over"),
        "{made:#?}"
    );
    assert!(std::fs::read_to_string(home.path("drover.toml")).unwrap().contains("PORT = \"3000\""));
    assert_eq!(home.run(&["validate"]).code, Some(0));
    home.write("broken.js", "throw new Error('not today');\n");
    home.run(&["import", "broken.js", "--allow-js"])
        .failed(2, &["broken.js: node failed to run it: Error: not today"]);
}
