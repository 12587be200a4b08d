//! What depends on what.

use super::*;

fn order(specs: &[AppSpec]) -> String {
    let plan = Plan::of(specs).unwrap();
    plan.order().iter().map(|app| specs[*app].name.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn dependencies_come_first_and_the_given_order_decides_the_rest() {
    for (specs, expected) in [
        (vec![app("c", &[]), app("a", &[]), app("b", &[])], "c a b"),
        (vec![app("web", &["db"]), app("db", &[]), app("log", &[])], "db web log"),
        (vec![app("a", &["b", "c"]), app("b", &["d"]), app("c", &["d"]), app("d", &[])], "d b c a"),
        (vec![app("web", &["migrate!"]), app("migrate", &["db"]), app("db", &[])], "db migrate web"),
    ] {
        assert_eq!(order(&specs), expected);
    }
}

#[test]
fn what_can_not_be_ordered_is_refused_with_what_is_wrong() {
    for (specs, expected) in [
        (vec![app("web", &["db"]), app("db", &["web"])], "apps wait for each other: web → db → web"),
        (
            vec![
                app("front", &["a"]),
                app("a", &["b"]),
                app("b", &["ok", "c"]),
                app("c", &["a"]),
                app("ok", &[]),
            ],
            "apps wait for each other: a → b → c → a",
        ),
        (
            vec![app("web", &["dbs"]), app("db", &[])],
            "app `web` depends on `dbs`, which is not one of the apps: web, db",
        ),
    ] {
        assert_eq!(Plan::of(&specs).unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_app_names_each_dependency_once_and_never_itself() {
    for (spec, expected) in [
        (app("web", &["db", "db!"]), "app `web` depends on `db` twice; give one condition"),
        (app("web", &["db", "web"]), "app `web` depends on itself"),
    ] {
        assert_eq!(spec.check().unwrap_err().to_string(), expected);
    }
}
