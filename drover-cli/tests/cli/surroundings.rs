//! What a worker of `drover.toml` finds around it: variables from files, its user, its limits.

use crate::harness::Home;

#[test]
fn variables_come_from_files_and_the_file_itself_wins() {
    let home = Home::new();
    home.write("base.env", "# of all\nCOLOUR=red\nSHAPE='a circle'\n");
    home.write("own.env", "SHAPE=\"a \\\"square\\\"\"\n");
    let toml = "[app.a]\nworkers = 1\nenv_file = [\"base.env\", \"own.env\"]\nenv = { COLOUR = \"blue\" }\ncommand = [\"sh\", \"-c\", \"echo $COLOUR, $SHAPE; exec sleep 1000\"]\n";
    let master = home.up(toml);
    home.worker("a", 0, "started");
    let ended = home.down(master);
    assert_eq!(ended.stdout, "a/0 | blue, a \"square\"\n", "{ended:#?}");
}

#[test]
fn a_missing_file_of_variables_is_a_mistake_of_the_file() {
    let home = Home::new();
    home.write("drover.toml", "version = 1\n[app.a]\ncommand = \"a\"\nenv_file = \"no.env\"\n");
    let ended = home.run(&["up"]);
    ended.failed(2, &["/no.env` can't be read: No such file"]);
    assert!(ended.stderr.contains("drover.toml:4:12"), "{ended:#?}");
}

#[test]
fn who_is_not_there_is_told_with_the_app_and_nothing_starts() {
    let home = Home::new();
    home.write("drover.toml", "version = 1\n[app.web]\ncommand = \"sleep 1000\"\nuser = \"nobdy\"\n");
    let ended = home.run(&["up"]);
    ended.failed(1, &["app `web`: there is no user `nobdy`; create it"]);
    assert!(!ended.stderr.contains("starting"), "{ended:#?}");
}

#[test]
fn a_limit_that_is_required_fails_the_start_and_another_is_warned_of_once() {
    let home = Home::new();
    let app = |required| {
        format!(
            "[app.a]\nworkers = 3\ncommand = \"sleep 1000\"\nlimits = {{ nofile = 1099511627776, required = {required} }}\n"
        )
    };
    let failed = home.up(&app(true)).end();
    failed.failed(
        1,
        &["app `a` failed to start", "the limit nofile can't be set to 1099511627776", "ask for less"],
    );
    let master = home.up(&app(false));
    home.worker("a", 2, "started");
    let ended = home.down(master);
    assert_eq!(ended.stderr.matches("the limit nofile can't be set").count(), 1, "{ended:#?}");
}
