use super::{ForeignFormat::Procfile, import, imported, refused, source};

#[test]
fn each_line_is_an_app_with_ports_of_its_own() {
    let text = "# what runs\nweb: bundle exec puma -p $PORT\nworker: RAILS_ENV=production bundle exec sidekiq 'a b'\n\nlog: tail -f x | grep y\nclock: cd clock && node \"$CLOCK\"\n";
    let made = imported(Procfile, &[("Procfile", text)]);
    made.has(&[
        "# Made by `drover import x`.",
        "[app.web]",
        r#"command = ["bundle", "exec", "puma", "-p", "{5000+slot}"]"#,
        "workers = 1",
        r#"PORT = "{5000+slot}""#,
        r#"command = ["bundle", "exec", "sidekiq", "a b"]"#,
        r#"RAILS_ENV = "production""#,
        r#"PORT = "{5100+slot}""#,
        r#"command = ["sh", "-c", "tail -f x | grep y"]"#,
        r#"stop.to = "group""#,
        r#"command = ["sh", "-c", 'cd clock && exec node "$CLOCK"']"#,
    ]);
    made.lost(&[]);
}

#[test]
fn a_release_runs_first_and_a_dotenv_is_read() {
    let mut source = source(&("Procfile", "release: rake db:migrate\nweb: ./web {slot} && true; x $PORT\n"));
    source.has_dotenv = true;
    source.home = Some("/srv/shop".into());
    let made = import(Procfile, &[source], "x").unwrap();
    made.has(&[
        r#"kind = "oneshot""#,
        r#"depends_on.release = "completed""#,
        r#"env_file = "/srv/shop/.env""#,
        r#"cwd = "/srv/shop""#,
        r#"command = ["sh", "-c", "./web {{slot}} && true; exec x $PORT"]"#,
    ]);
}

#[test]
fn nonsense_is_told_with_its_line() {
    for (text, sentence) in [
        (
            "web: a\nnonsense\n",
            "Procfile:2: a line of a Procfile is `name: command`, with letters, digits, `-` and `_` in the name",
        ),
        ("web: 'a\n", "Procfile:1: `web` is not a command line: is a quote left open?"),
        ("web:\n", "Procfile:1: `web` has no command"),
        (
            "web: a\nweb: b\n",
            "Procfile:2: there is already an app `web`, at Procfile:1; give one of them another name",
        ),
        ("# nothing\n", "Procfile: there is nothing to run in this Procfile"),
    ] {
        assert_eq!(refused(Procfile, "Procfile", text), sentence);
    }
}
