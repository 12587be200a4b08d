use super::super::parse;
use super::{EVERY_KEY, said, web};

#[test]
fn every_wrong_line_of_the_rest_is_told() {
    let long = "x".repeat(65);
    for (lines, expected) in [
        (
            "[master]\nname = ''",
            "line 5, column 8: master.name is empty; use letters, digits, `-`, `_` and `.`",
        ),
        (
            "[master]\nname = 'a/b'",
            "line 5, column 8: master.name contains `/`; use ASCII letters, digits, `-`, `_` and `.`",
        ),
        ("[master]\nnam = 'a'", "line 5, column 1: unknown key `nam` in master; did you mean `name`?"),
        ("[sockets]\na = 'h:1'", "line 5, column 5: sockets.a is a string, not a table"),
        (
            "[sockets.a]",
            "line 4, column 10: missing key `listen` in sockets.a; say where, for example `listen = \"127.0.0.1:8080\"`",
        ),
        (
            "[sockets.a]\nlistn = 'h:1'",
            "line 5, column 1: unknown key `listn` in sockets.a; did you mean `listen`?",
        ),
        (
            "[sockets.a]\nlisten = '8080'",
            "line 5, column 10: sockets.a.listen is not an address: `8080`; \
             write `127.0.0.1:8080`, or `0.0.0.0:8080` for the whole network",
        ),
        (
            "[sockets.a]\nlisten = 'udp:h:1'\nmode = 'reuseport'",
            "line 6, column 8: sockets.a.mode is `reuseport`, but with UDP every restart would lead clients to other \
             workers; use `shared`, the default",
        ),
        (
            "[sockets.a]\nlisten = 'unix:/a'\nmode = 'reuseport'",
            "line 6, column 8: sockets.a.mode is `reuseport`, but a Unix socket has no such mode; use `shared`, the \
             default",
        ),
        (
            "[sockets.a]\nlisten = 'h:1'\nmode = 'reuseport'\n[app.b]\ncommand = 'b'\nsockets = ['a']\n[app.c]\n\
             command = 'c'\nsockets = ['a']",
            "line 5, column 10: apps `b` and `c` name the socket `a`, whose mode is `reuseport`; that mode is for one \
             app of at most 1024 workers: use `shared`, or more sockets",
        ),
        (
            "[sockets.a]\nlisten = 'h:1'\nmode = 'reuseport'\n[app.b]\ncommand = 'b'\nsockets = ['a']\n\
             workers = 1025",
            "line 5, column 10: app `b` has 1025 workers on the socket `a`, whose mode is `reuseport`; that mode is for \
             one app of at most 1024 workers: use `shared`, or more sockets",
        ),
        (
            "[sockets.a]\nlisten = 'h:1'\nbacklog = 65536",
            "line 6, column 11: sockets.a.backlog is 65536, but must be 1 to 65535",
        ),
        (
            "[sockets.'a:b']\nlisten = 'h:1'",
            "line 4, column 10: socket name sockets.\"a:b\" contains `:`; use ASCII letters, digits, `-`, `_` and `.`",
        ),
        (
            &format!("[sockets.{long}]\nlisten = 'h:1'"),
            &format!("line 4, column 10: socket name sockets.{long} is 65 bytes long; use at most 64 bytes"),
        ),
        (
            "[sockets]\na.listen = 'h:1'\nb.listen = 'H:01'",
            "line 6, column 12: sockets `a` and `b` have the same address; \
             apps can share a socket: name the first one in both",
        ),
        (
            "[app.'']\ncommand = 'a'",
            "line 4, column 6: app name app.\"\" is empty; use letters, digits, `-`, `_` and `.`",
        ),
        (
            "[app.b]",
            "line 4, column 6: missing key `command` in app.b; say what to run, for example `command = [\"node\", \"server.js\"]`",
        ),
        ("[[app.b]]", "line 4, column 7: app.b is an array of tables, not a table; write `[app.b]`"),
        (
            "[socket.a]",
            "line 4, column 2: unknown key `socket`; here it is `sockets`, for example `[sockets.http]`",
        ),
    ] {
        assert_eq!(said(&web(lines)), expected, "{lines}");
    }
}

#[test]
fn every_wrong_frame_of_a_file_is_told() {
    const NO_APP: &str = "line 1, column 1: no app to run; add one: `[app.web]` with `command = [\"…\"]`";
    let app = "[app.a]\ncommand = ['a']\n";
    for (text, expected) in [
        (app.to_owned(), "line 1, column 1: missing key `version`; begin the file with `version = 1`"),
        (format!("versoin = 1\n{app}"), "line 1, column 1: unknown key `versoin`; did you mean `version`?"),
        (
            format!("version = 2\n{app}"),
            "line 1, column 11: version 2 of drover.toml is unknown; this drover reads version 1",
        ),
        (
            format!("version = '1'\n{app}"),
            "line 1, column 11: version is a string, not an integer; write `version = 1`",
        ),
        ("version = 1".to_owned(), NO_APP),
        ("version = 1\n[app]".to_owned(), NO_APP),
        ("version = 1\napp = 3".to_owned(), "line 2, column 7: app is an integer, not a table"),
        (
            "version = 1\n[apps.a]\ncommand = ['a']".to_owned(),
            "line 2, column 2: unknown key `apps`; here it is `app`, for example `[app.web]`",
        ),
    ] {
        assert_eq!(said(&text), expected, "{text}");
    }
}

#[test]
fn a_mistaken_value_is_not_compared() {
    for lines in [
        "start = { timeout = '10m', max_timeout = '20' }",
        "start = { timeout = '10', max_timeout = '1s' }",
        "restart = { success_codes = 3, fatal_codes = [0] }",
    ] {
        assert_eq!(parse(&web(lines)).unwrap_err().mistakes().len(), 1, "{lines}");
    }
}

#[test]
fn a_mistaken_socket_is_known_by_its_name() {
    let error = said(&web("sockets = ['a']\n[sockets.a]\nlisten = 'x'"));
    assert_eq!(
        error,
        "line 6, column 10: sockets.a.listen is not an address: `x`; write HOST:PORT or unix:PATH"
    );
}

#[test]
fn mistakes_of_toml_itself_have_their_place() {
    for (text, expected) in [
        ("a = 1\na = 2", "line 2, column 1: key `a` is there twice"),
        ("[a.b]\n[a.b]", "line 2, column 4: key `b` is there twice"),
        ("x = 'abc", "line 1, column 9: invalid literal string, expected `'`"),
        ("[x", "line 1, column 3: unclosed table, expected `]`"),
        ("ä = 1", "line 1, column 1: invalid unquoted key, expected letters, numbers, `-`, `_`"),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn every_line_of_a_file_can_be_wrong_at_once() {
    let wrong = EVERY_KEY.replace(" = ", "_ = ");
    let error = parse(&wrong).unwrap_err();
    let lines: Vec<usize> = error.mistakes().iter().map(|mistake| mistake.line()).collect();
    assert!(lines.is_sorted(), "in file order: {lines:?}");
    let assignments: Vec<usize> =
        (1..).zip(wrong.lines()).filter(|(_, line)| line.contains('=')).map(|(number, _)| number).collect();
    assert!(assignments.iter().all(|line| lines.contains(line)), "{assignments:?} all told in {lines:?}");
}

#[test]
fn the_key_of_another_tool_is_not_also_missing() {
    for (word, at) in [("cmd", "line 3, column 1"), ("script", "line 3, column 1")] {
        let said = said(&format!("version = 1\n[app.web]\n{word} = 'web'\n"));
        let expected = format!(
            "{at}: unknown key `{word}` in app.web; here it is `command`, for example `command = [\"node\", \"server.js\"]`"
        );
        assert_eq!(said, expected);
    }
}

#[test]
fn what_other_formats_write_is_answered_with_ours() {
    let all = said("version = 1\n[[app]]\nname = 'web'\ncommand = 'web'\n");
    assert!(all.contains("app is an array of tables, not a table; write `[app.NAME]`"), "{all}");
    let port = said("version = 1\n[sockets.a]\nlisten = 8080\n[app.web]\ncommand = 'web'\nsockets = ['a']\n");
    assert!(
        port.contains("sockets.a.listen is an integer, not a string; write `\"127.0.0.1:8080\"`"),
        "{port}"
    );
    let octal = said(&web("umask = 022"));
    assert!(octal.contains("write octal digits in quotes, for example `umask = \"0022\"`"), "{octal}");
}
