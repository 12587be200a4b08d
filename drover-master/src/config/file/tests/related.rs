//! Mistakes in what apps are to each other.

use super::super::parse;
use super::{said, web};

#[test]
fn apps_that_wait_for_each_other_are_told_once_a_circle() {
    let app = |name: &str, on: &str| format!("app.{name} = {{ command = 'x', depends_on = {{ {on} }} }}\n");
    let chain = [
        app("a", "b = 'ready'"),
        app("b", "c = 'completed'"),
        app("c", "").replace("command", "restart = 'never', command"),
    ]
    .concat();
    assert!(parse(&format!("version = 1\n{chain}")).is_ok());
    let circle = [
        app("a", "b = 'ready', d = 'ready'"),
        app("b", "c = 'completed'"),
        app("c", "b = 'ready', a = 'ready'").replace("command", "restart = 'never', command"),
        app("d", "e = 'ready'"),
    ]
    .concat();
    assert_eq!(
        said(&format!("version = 1\n{circle}")),
        "line 2, column 41: apps wait for each other: a → b → c → a; none of them would ever start; remove one of these\n\
         line 5, column 41: unknown app `e` in app.d.depends_on; add `[app.e]` with its `command`"
    );
}

#[test]
fn nobody_waits_for_the_completion_of_what_is_always_restarted() {
    let text = |db: &str| {
        format!(
            "version = 1\napp.web = {{ command = 'x', depends_on = {{ db = 'completed' }} }}\napp.db = {{ command = 'x'{db} }}\n"
        )
    };
    for db in ["", ", restart = 'always'", ", kind = 'oneshot', restart = 'always'"] {
        assert_eq!(
            said(&text(db)),
            "line 2, column 43: app.web would wait for ever: app.db is always restarted, so it never completes; \
             write `restart = \"on-failure\"` in [app.db], or wait until it is \"ready\"",
            "{db}"
        );
    }
    for db in [", kind = 'oneshot'", ", restart = 'on-failure'", ", restart = 'never'"] {
        assert!(parse(&text(db)).is_ok(), "{db}");
    }
}

#[test]
fn numbers_of_no_strategy_have_no_meaning() {
    let help = "leave it out, or set `strategy`, for example to `\"one-for-one\"`";
    assert_eq!(
        said(&format!("master = {{ intensity = 3, strategy = 'none', period = '1s' }}\n{}", web(""))),
        format!(
            "line 1, column 24: master.intensity has no meaning without a strategy; {help}\n\
             line 1, column 55: master.period has no meaning without a strategy; {help}"
        )
    );
    assert_eq!(
        said(&format!("master = {{ intensity = 3, strategy = 'one-for-two' }}\n{}", web(""))),
        "line 1, column 38: unknown word `one-for-two` for master.strategy; did you mean `one-for-one`?"
    );
}
