//! Apps that run by a schedule.

use super::*;
use crate::config::{CronPolicy, Overlap, Zone};

#[test]
fn a_cron_has_one_worker_and_the_local_time_unless_the_file_says_otherwise() {
    let spec = app("kind = 'cron'\nschedule = '*/5  * * * *'\noverlap = 'queue'");
    assert_eq!((spec.kind, spec.workers, spec.protocol), (Kind::Cron, 1, Protocol::None));
    assert_eq!(spec.start.timeout, Duration::MAX);
    let CronPolicy { schedule, timezone, overlap, catch_up } = spec.cron;
    assert_eq!(schedule.unwrap().to_string(), "*/5 * * * *");
    assert_eq!((timezone.name(), overlap, catch_up), ("local", Overlap::Queue, true));
    let spec = app("kind = 'cron'\nschedule = '@every 90s'\ntimezone = 'UTC'\nstart.timeout = '1h'");
    assert_eq!((spec.cron.timezone, spec.start.timeout), (Zone::UTC, seconds(3600)));
}

#[test]
fn what_a_cron_lacks_or_can_not_have_is_said_at_its_place() {
    let cron = "kind = 'cron'\nschedule = '@hourly'\n";
    for (lines, expected) in [
        ("kind = 'cron'".to_owned(), "app.web.schedule is missing, which an app of the kind `cron` runs by"),
        (
            "schedule = '@hourly'".to_owned(),
            "app.web.schedule has no meaning for an app that does not run by",
        ),
        (
            "kind = 'cron'\nschedule = '61 * * * *'".to_owned(),
            "app.web.schedule has `61` for the minute: it takes 0 to 59",
        ),
        (
            format!("{cron}timezone = 'Mars/Phobos'"),
            "app.web.timezone is not a time zone that this machine knows",
        ),
        (format!("{cron}workers = 2"), "app.web.workers has to be 1 for a cron"),
        (format!("{cron}protocol = 'notify'"), "app.web.protocol has to be `none` for a cron"),
        (format!("{cron}restart = 'always'"), "app.web.restart has no meaning for a cron"),
        (format!("{cron}restart.limit.count = 3"), "app.web.restart.limit has no meaning for a cron"),
        (format!("{cron}update.soak = '1s'"), "app.web.update.soak has no meaning for a cron"),
        (format!("{cron}watch = true"), "app.web.watch has no meaning for a cron"),
    ] {
        let told = said(&web(&lines));
        assert!(told.contains(expected), "{lines}: {told}");
    }
    let text = web(cron) + "[app.b]\ncommand = 'b'\ndepends_on = { web = 'completed' }\n";
    assert!(said(&text).contains("app.web runs again and again, so it never completes"));
}

#[test]
fn defaults_that_are_for_workers_which_stay_are_not_for_a_cron() {
    let text = web("kind = 'cron'\nschedule = '@hourly'") + "[defaults]\nworkers = 4\nrestart = 'always'\n";
    let config = parse(&text).unwrap_or_else(|error| panic!("{}", error.render("test", &text, false)));
    assert_eq!(config.apps[0].spec.workers, 1);
}
