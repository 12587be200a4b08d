//! `drover validate`: every mistake at once, and nothing is started.

use crate::harness::Home;

#[test]
fn a_valid_file_is_told_in_one_line() {
    let home = Home::new();
    home.write(
        "drover.toml",
        "version = 1\nsockets.a.listen = \"127.0.0.1:0\"\n[app.web]\ncommand = \"sh\"\nsockets = [\"a\"]\n",
    );
    let ended = home.run(&["validate"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "drover.toml is valid: 1 app, 1 socket\n"));
    assert_eq!(ended.stderr, "");
    assert_eq!(home.run(&["-q", "validate"]).stdout, "");
}

#[test]
fn every_mistake_is_told_at_once() {
    let home = Home::new();
    home.write("shop.toml", "version = 1\n[app.web]\ncommand = \"sh\"\nworker = 4\nstart.timeout = 30\n");
    let ended = home.run(&["validate", "-f", "shop.toml"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    for part in ["shop.toml:4:1", "did you mean `workers`?", "shop.toml:5:17", "2 mistakes in shop.toml"] {
        assert!(ended.stderr.contains(part), "{part} is not in\n{}", ended.stderr);
    }
    home.run(&["validate", "-f", "nothing.toml"]).failed(2, &["no such file: nothing.toml"]);
}

#[test]
fn what_would_not_work_here_is_a_warning_unless_strict() {
    let home = Home::new();
    home.write("drover.toml", "version = 1\n[app.web]\ncommand = \"./not-built-yet\"\n");
    let ended = home.run(&["validate"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "drover.toml is valid: 1 app, 0 sockets\n"));
    for part in ["warning: `./not-built-yet` does not exist", "drover.toml:3:11", "^^^^^"] {
        assert!(ended.stderr.contains(part), "{part} is not in\n{}", ended.stderr);
    }
    let strict = home.run(&["validate", "--strict"]);
    assert_eq!((strict.code, strict.stdout.as_str(), strict.stderr), (Some(2), "", ended.stderr));
}
