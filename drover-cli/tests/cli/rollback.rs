//! `drover rollback`: there, with nothing to go back to, and where the way back fails.

use crate::harness::Home;

const WEB: &str = "[app.web]\ncommand = './first'\nworkers = 1\nstart.min_uptime = '50ms'\n";
const SLEEPS: &str = "#!/bin/sh\nexec sleep 1000\n";

#[test]
fn an_app_goes_back_to_what_it_was_before_the_last_apply_or_stays_what_it_is() {
    let home = Home::new();
    for name in ["first", "second", "third"] {
        home.script(name, SLEEPS);
    }
    let master = home.up(WEB);
    master.says("web is running");
    home.run(&["rollback", "web"]).failed(1, &["`web`", "no earlier description"]);
    home.run(&["rollback", "nosuch"]).failed(4, &["`nosuch`"]);
    home.run(&["rollback", "web/0"]).failed(1, &["only whole apps", "`web/0`"]);

    let apply = |command: &str| {
        home.write("drover.toml", &format!("version = 1\n{}", WEB.replace("./first", command)));
        let ended = home.run(&["apply", "-y"]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
    };
    apply("./second");
    apply("./third");
    let plan = "reload   app.web.command: ./third → ./second\n";
    let dry = home.run(&["rollback", "--dry-run", "web"]);
    assert_eq!((dry.code, dry.stdout.as_str()), (Some(0), plan), "{dry:#?}");
    assert_eq!(home.status()["apps"][0]["generation"], 3);
    let json: serde_json::Value =
        serde_json::from_str(&home.run(&["rollback", "--dry-run", "--json", "web"]).stdout).expect("JSON");
    assert_eq!(json["changes"][0]["key"], "app.web.command");

    let done = home.run(&["rollback", "web"]);
    assert_eq!((done.code, done.stdout), (Some(0), format!("{plan}web reloaded\n")));
    assert!(done.stderr.contains("drover.toml still says otherwise"), "{}", done.stderr);
    assert_eq!(home.status()["apps"][0]["generation"], 4);
    assert_eq!(home.run(&["diff"]).stdout, "reload   app.web.command: ./second → ./third\n");

    // The one before no longer starts: what runs serves on.
    home.script("first", "#!/bin/sh\nexit 3\n");
    let before = home.status();
    let failed = home.run(&["rollback", "web"]);
    assert_eq!(failed.code, Some(8), "{failed:#?}");
    assert_eq!(home.status()["apps"][0]["workers"][0]["pid"], before["apps"][0]["workers"][0]["pid"]);
    home.script("first", SLEEPS);
    assert_eq!(home.run(&["rollback", "web"]).code, Some(0));
    home.run(&["rollback", "web"]).failed(1, &["no earlier description"]);
    home.down(master);
}
