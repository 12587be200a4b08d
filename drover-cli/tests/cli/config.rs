//! `drover config`: the file with every default written out.

use serde_json::Value;

use crate::harness::Home;

const FILE: &str = "version = 1\n[app.web]\ncommand = \"sh -c true\"\nenv = { TOKEN = \"s3cret\" }\n";

#[test]
fn what_it_writes_means_the_same_when_it_is_read_again() {
    let home = Home::new();
    home.write("drover.toml", FILE);
    let first = home.run(&["config", "--show-env"]);
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    for line in [r#"command = ["sh", "-c", "true"]"#, r#"drain_timeout = "20s""#, r#"TOKEN = "s3cret""#] {
        assert!(first.stdout.lines().any(|found| found == line), "{line} is not in\n{}", first.stdout);
    }
    let directory = home.dir().file_name().unwrap().to_str().unwrap();
    assert!(first.stdout.contains(&format!("name = \"{directory}\"")), "{}", first.stdout);
    home.write("again.toml", &first.stdout);
    assert_eq!(home.run(&["config", "--show-env", "-f", "again.toml"]).stdout, first.stdout);
    assert_eq!(home.run(&["validate", "-f", "again.toml"]).code, Some(0));
}

#[test]
fn values_of_the_environment_are_hidden_unless_asked_for() {
    let home = Home::new();
    home.write("drover.toml", FILE);
    for format in [&["config"][..], &["config", "--json"]] {
        let ended = home.run(format);
        assert_eq!(ended.code, Some(0));
        assert!(!ended.stdout.contains("s3cret") && ended.stdout.contains("(hidden)"), "{}", ended.stdout);
        assert!(ended.stderr.contains("1 value of env is hidden; --show-env shows it"), "{}", ended.stderr);
    }
}

#[test]
fn as_json_it_has_the_keys_of_the_file() {
    let home = Home::new();
    home.write("drover.toml", FILE);
    let json: Value = serde_json::from_str(&home.run(&["config", "--json", "--show-env"]).stdout).unwrap();
    assert_eq!(json["app"]["web"]["env"]["TOKEN"], "s3cret");
    assert_eq!(json["app"]["web"]["restart"]["backoff"]["max"], "30s");
}

#[test]
fn a_file_with_mistakes_is_refused_with_all_of_them() {
    let home = Home::new();
    home.write("drover.toml", "version = 2\n[app.web]\n");
    let ended = home.run(&["config"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("2 mistakes in drover.toml"), "{}", ended.stderr);
}

#[test]
fn each_value_is_shown_with_what_it_comes_from_and_no_secret() {
    let home = Home::new();
    home.write("web.env", "KEY=s3cret\n");
    home.write(
        "drover.toml",
        &format!("{FILE}env_file = \"web.env\"\n[profiles.dev]\napp.web.workers = 7\n"),
    );
    let ended = home.run(&["config", "--origin", "--profile", "dev"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    for (value, origin) in [
        ("app.web.workers = 7", "drover.toml:7, profile dev"),
        ("app.web.command = [\"sh\", \"-c\", \"true\"]", "drover.toml:3"),
        ("app.web.env.TOKEN = \"(hidden)\"", "drover.toml:4"),
        ("app.web.env.KEY = \"(hidden)\"", "web.env"),
        ("app.web.stop.drain_timeout = \"20s\"", "default"),
        ("master.name = ", "the name of its directory"),
    ] {
        let line = ended.stdout.lines().find(|line| line.starts_with(value));
        let line = line.unwrap_or_else(|| panic!("{value} is not in {ended:#?}"));
        assert!(line.ends_with(&format!("  # {origin}")), "{line}");
    }
    let json = home.run(&["config", "--origin", "--json"]);
    assert!(!(ended.stdout + &json.stdout).contains("s3cret"));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let of = |key: &str| {
        json["values"].as_array().unwrap().iter().find(|value| value["key"] == key).unwrap().clone()
    };
    assert_eq!(
        of("version"),
        serde_json::json!({ "key": "version", "value": 1, "from": "file", "file": "drover.toml", "line": 1, "running": null })
    );
    assert_eq!(
        (&of("app.web.env.KEY")["from"], &of("app.web.env.KEY")["file"]),
        (&"env_file".into(), &"web.env".into())
    );
}

#[test]
fn what_was_changed_since_the_start_is_told_beside_the_file() {
    let home = Home::new();
    let master = home.up("[app.web]\ncommand = 'sleep 1000'\nworkers = 1\nstart.min_uptime = '50ms'\n");
    master.says("web is running");
    assert_eq!(home.run(&["scale", "web=2"]).code, Some(0));
    let ended = home.run(&["config", "--origin"]);
    let line = ended.stdout.lines().find(|line| line.starts_with("app.web.workers = 1 "));
    let line = line.unwrap_or_else(|| panic!("{ended:#?}"));
    assert!(line.ends_with("; the master runs with 2"), "{line}");
    assert_eq!(ended.stdout.matches("the master runs").count(), 1, "{ended:#?}");
    home.down(master);
}
