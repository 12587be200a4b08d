use super::super::parse;
use super::web;

fn rendered(text: &str) -> String {
    parse(text).expect_err(text).render("drover.toml", text, false)
}

/// Compares without the newlines that frame the expected text.
fn assert_rendered(text: &str, expected: &str) {
    let rendered = rendered(text);
    assert_eq!(rendered, expected.trim_matches('\n'), "\n{rendered}");
}

#[test]
fn an_unknown_key_is_underlined_and_corrected() {
    assert_rendered(
        &web("worker = 4"),
        r#"
error: unknown key `worker` in app.web
 --> drover.toml:4:1
  |
4 | worker = 4
  | ^^^^^^
  |
  = help: did you mean `workers`?
"#,
    );
}

#[test]
fn a_missing_key_is_shown_where_its_table_is_named() {
    assert_rendered(
        "version = 1\n[app.web]\nworkers = 2\n",
        r#"
error: missing key `command` in app.web
 --> drover.toml:2:6
  |
2 | [app.web]
  |      ^^^
  |
  = help: say what to run, for example `command = ["node", "server.js"]`
"#,
    );
}

#[test]
fn an_empty_file_has_a_place_too() {
    assert_rendered(
        "",
        r#"
error: missing key `version`
 --> drover.toml:1:1
  |
1 |
  | ^
  |
  = help: begin the file with `version = 1`

error: no app to run
 --> drover.toml:1:1
  |
1 |
  | ^
  |
  = help: add one: `[app.web]` with `command = ["…"]`

error: 2 mistakes in drover.toml
"#,
    );
}

#[test]
fn two_sockets_with_one_address_are_both_shown() {
    assert_rendered(
        &web("[sockets.http]\nlisten = \"0.0.0.0:80\"\n\n[sockets.web]\nlisten = \"0.0.0.0:80\""),
        r#"
error: sockets `http` and `web` have the same address
 --> drover.toml:8:10
  |
5 | listen = "0.0.0.0:80"
  |          ------------ first here
...
8 | listen = "0.0.0.0:80"
  |          ^^^^^^^^^^^^ 0.0.0.0:80 again
  |
  = help: apps can share a socket: name the first one in both
"#,
    );
}

#[test]
fn values_that_contradict_each_other_are_both_shown() {
    assert_rendered(
        &web("start = { timeout = \"2m\", max_timeout = \"1m\" }"),
        r#"
error: app.web.start.timeout (2m) is longer than app.web.start.max_timeout (1m)
 --> drover.toml:4:21
  |
4 | start = { timeout = "2m", max_timeout = "1m" }
  |                     ^^^^                ---- `max_timeout` is set here
  |
  = help: raise `max_timeout` or lower `timeout`
"#,
    );
}

#[test]
fn a_mistake_of_toml_itself_looks_the_same() {
    assert_rendered(
        "version = 1\n[app.web]\ncommand = [\"web\"\n",
        r#"
error: unclosed array, expected `]`
 --> drover.toml:3:17
  |
3 | command = ["web"
  |                 ^
"#,
    );
}

#[test]
fn many_mistakes_come_in_file_order_and_are_counted() {
    assert_rendered(
        "version = 1\n[app.web]\ncommand = \"\"\nsockets = [\"htpp\"]\n[sockets.http]\nlisten = \":80\"\n\
         [app.web.stop]\ndrain_timeout = 20\n",
        r#"
error: app.web.command is empty
 --> drover.toml:3:11
  |
3 | command = ""
  |           ^^
  |
  = help: say what to run, for example `["node", "server.js"]`

error: unknown socket `htpp` in app.web.sockets
 --> drover.toml:4:12
  |
4 | sockets = ["htpp"]
  |            ^^^^^^
  |
  = help: did you mean `http`?

error: sockets.http.listen has no host
 --> drover.toml:6:10
  |
6 | listen = ":80"
  |          ^^^^^
  |
  = help: write `0.0.0.0:80` or `[::]:80` for the whole network

error: app.web.stop.drain_timeout is a number without a unit
 --> drover.toml:8:17
  |
8 | drain_timeout = 20
  |                 ^^
  |
  = help: write for example `"20s"`; units are ms, s, m, h and d

error: 4 mistakes in drover.toml
"#,
    );
}

#[test]
fn styles_appear_only_when_asked_for() {
    let text = web("worker = 4");
    let error = parse(&text).unwrap_err();
    assert!(!error.render("drover.toml", &text, false).contains('\u{1b}'));
    assert!(error.render("drover.toml", &text, true).contains("\u{1b}["));
}

#[test]
fn a_place_is_counted_in_characters() {
    let error = parse(&web("env = { 'Ä' = 'ä', B = 1 }")).unwrap_err();
    let mistake = &error.mistakes()[0];
    assert_eq!((mistake.line(), mistake.column()), (4, 24));
    assert_eq!(&web("env = { 'Ä' = 'ä', B = 1 }")[mistake.span()], "1");
}

#[test]
fn control_characters_of_the_file_do_not_reach_the_terminal() {
    let text = web("\"\\u001b[2J\" = 4 # \u{1b}[2J");
    assert!(!rendered(&text).contains('\u{1b}'));
}
