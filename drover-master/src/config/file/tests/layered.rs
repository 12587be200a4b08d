//! Defaults of every app, and profiles.

use super::super::parse_profile;
use super::{said, seconds};
use crate::config::file::{Config, LoadError, parse};
use crate::config::{ProbeKind, RestartWhen};

const FILE: &str = r#"version = 1

[defaults]
workers = 3
restart = "never"
stop = { drain_timeout = "9s", signal = "INT" }
env.A = "default"
env.B = "default"
heartbeat = { interval = "7s" }
health.liveness = { tcp = "h:1" }

[app.web]
command = "web"
protocol = "drover"
stop.drain_timeout = "2s"
restart.limit.count = 4
env.B = "web"

[app.job]
command = "job"
kind = "oneshot"
workers = 1

[profiles.dev]
master.shutdown_timeout = "1s"
defaults.env.A = "dev"

[profiles.dev.app.web]
workers = 1
watch = true
health.liveness = { http = "http://h:2/" }

[profiles.dev.app.extra]
command = "extra"

[profiles.wrong]
app.web.wrokers = 1
"#;

fn with(profile: Option<&str>) -> Result<Config, LoadError> {
    parse_profile("drover.toml".as_ref(), FILE, profile)
}

fn env(config: &Config, app: usize) -> Vec<(&str, &str)> {
    let env = config.apps[app].spec.command.env.iter();
    let mut env: Vec<_> = env.map(|(key, value)| (key.to_str().unwrap(), value.to_str().unwrap())).collect();
    env.sort_unstable();
    env
}

#[test]
fn an_app_has_the_defaults_of_the_file_but_for_what_it_says_and_what_has_no_meaning_for_it() {
    let config = with(None).unwrap();
    let (web, job) = (&config.apps[0].spec, &config.apps[1].spec);
    assert_eq!((web.workers, job.workers), (3, 1));
    assert_eq!((web.stop.drain_timeout, job.stop.drain_timeout), (seconds(2), seconds(9)));
    assert_eq!(web.restart.when, RestartWhen::Never);
    assert_eq!(web.restart.limit.count.get(), 4);
    assert_eq!(env(&config, 0), [("A", "default"), ("B", "web")]);
    assert_eq!(env(&config, 1), [("A", "default"), ("B", "default")]);
    assert_eq!(web.heartbeat.as_ref().unwrap().interval, seconds(7));
    assert_eq!(job.heartbeat, None);
    assert!(web.health.liveness.is_some() && job.health.liveness.is_none());
    assert_eq!(config.master.shutdown_timeout, seconds(45));
}

#[test]
fn a_profile_is_laid_over_the_file_key_by_key() {
    let config = with(Some("dev")).unwrap();
    let names: Vec<&str> = config.apps.iter().map(|app| app.spec.name.as_str()).collect();
    assert_eq!(names, ["web", "job", "extra"]);
    let web = &config.apps[0].spec;
    assert_eq!((web.workers, web.stop.drain_timeout), (1, seconds(2)));
    assert!(web.watch.is_some());
    assert_eq!(env(&config, 0), [("A", "dev"), ("B", "web")]);
    let probe = &web.health.liveness.as_ref().unwrap().probe.kind;
    assert!(matches!(probe, ProbeKind::Http { .. }), "another probe takes its place: {probe:?}");
    assert_eq!(config.apps[2].spec.workers, 3);
    assert_eq!(config.master.shutdown_timeout, seconds(1));
}

#[test]
fn a_profile_that_is_not_there_is_told_with_those_that_are() {
    let told = |profile| with(Some(profile)).unwrap_err().to_string();
    assert_eq!(told("dve"), "drover.toml has no profile `dve`; did you mean `dev`?");
    assert_eq!(told("production"), "drover.toml has no profile `production`; there is dev, wrong");
    let none = parse_profile("a".as_ref(), &super::web(""), Some("dev")).unwrap_err().to_string();
    assert_eq!(none, "a has no profile `dev`; it has none; write `[profiles.dev]`");
}

#[test]
fn mistakes_keep_their_places_and_one_under_every_app_is_told_once() {
    let LoadError::Invalid { error, .. } = with(Some("wrong")).unwrap_err() else { panic!() };
    let line = FILE.lines().count();
    assert_eq!(
        error.to_string(),
        format!("line {line}, column 9: unknown key `wrokers` in app.web; did you mean `workers`?")
    );
    let text = "version = 1\n[defaults]\nstop.drain_timout = '1s'\nworkers = 'many'\n[app.a]\ncommand = 'a'\n[app.b]\ncommand = 'b'\n";
    assert_eq!(
        said(text),
        "line 3, column 6: unknown key `drain_timout` in defaults.stop; did you mean `drain_timeout`?\n\
         line 4, column 11: defaults.workers is neither a number nor `\"auto\"`; write for example `4`, or `\"auto\"` for one on each CPU"
    );
    assert_eq!(
        said("version = 1\ndefaults = 3\n[app.a]\ncommand = 'a'"),
        "line 2, column 12: defaults is an integer, not a table"
    );
    assert!(parse("version = 1\n[profiles.a]\nversion = 1\n[app.a]\ncommand = 'a'").is_err());
}
