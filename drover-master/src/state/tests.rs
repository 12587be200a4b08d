use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

use super::testing::{assert_kept, assert_never_panics, document, golden, of_later_version, read_document};
use super::{Encoded, Specs, decode, encode};
use crate::config::*;
use crate::ids::Generation;
use crate::machine::fleet::Release;
use crate::signal::Signal;

/// With what JSON alone would not bring back.
fn spec(name: &str) -> Arc<AppSpec> {
    let command = Command::new("serve").env("RAW", OsString::from_vec(vec![0xff, b'=', 0xfe]));
    let mut spec = AppSpec::new(name, command.current_dir("/srv/ä"));
    spec.restart.backoff.factor = f64::INFINITY;
    spec.recycle.jitter = 0.1 + 0.2;
    spec.cron.schedule = Some("*/5 1-3 * * MON".parse().unwrap());
    Arc::new(spec)
}

/// The environment too, which `Debug` does not show.
fn is_same(one: &AppSpec, other: &AppSpec) -> bool {
    one.command == other.command && format!("{one:?}") == format!("{other:?}")
}

#[test]
fn a_description_is_written_once_and_shared_again() {
    let (one, other) = (spec("one"), spec("other"));
    let release = |generation, spec: &Arc<AppSpec>| Release {
        generation: Generation(generation),
        spec: Arc::clone(spec),
    };
    let releases = vec![release(1, &one), release(2, &other), release(3, &one)];
    let mut written = Specs::default();
    let Encoded { new, bytes } = written.encode(&releases);
    assert_eq!(
        new.iter().map(|(number, spec)| (*number, &*spec.name)).collect::<Vec<_>>(),
        [(0, "one"), (1, "other")]
    );
    let again = written.encode(&releases);
    assert_eq!((again.new.len(), again.bytes == bytes), (0, true), "what was written is known");

    let mut read = Specs::default();
    let error = read.decode::<Vec<Release>>(&bytes).unwrap_err().to_string();
    assert!(error.contains("description 0 was not written before"), "{error}");
    for (number, spec) in &new {
        read.learn(*number, Arc::new(decode(&encode(&**spec)).unwrap()));
    }
    let found: Vec<Release> = read.decode(&bytes).unwrap();
    assert!(Arc::ptr_eq(&found[0].spec, &found[2].spec) && !Arc::ptr_eq(&found[0].spec, &found[1].spec));
    for (found, release) in found.iter().zip(&releases) {
        assert!(is_same(&found.spec, &release.spec), "{:?}\n{:?}", found.spec, release.spec);
    }
    // Whoever goes on gives no number twice.
    let third = read.encode(&release(4, &spec("third")));
    assert_eq!(third.new.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2]);
    assert!(read.encode(&found).new.is_empty(), "what was read is known");
}

#[test]
fn without_a_table_a_description_is_written_in_full() {
    let release = Release { generation: Generation(1), spec: spec("web") };
    let found: Release = decode(&encode(&release)).unwrap();
    assert!(is_same(&found.spec, &release.spec));
}

#[test]
fn what_another_process_does_not_have_is_refused_when_it_is_read() {
    #[derive(Debug)]
    struct Nowhere;
    impl OutputSink for Nowhere {
        fn take<'a>(&'a self, _: Line<'a>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
            Box::pin(async {})
        }
    }
    let spec =
        AppSpec { output: Output::Sink(Arc::new(Nowhere)), ..AppSpec::new("web", Command::new("serve")) };
    let error = decode::<AppSpec>(&encode(&spec)).unwrap_err().to_string();
    assert!(error.contains("a sink for output is a part of the program"), "{error}");
}

/// With every kind of value that a description can have.
fn description() -> Description {
    let command = Command::new("./serve")
        .args(["--port", "{9000+slot}"])
        .env("KEY", OsString::from_vec(vec![0xff]))
        .env_clear(true)
        .current_dir("/srv")
        .umask(0o022)
        .user("web")
        .group("www")
        .limits(
            Limits { nice: Some(5), oom_score_adj: Some(-100), ..Limits::default() }
                .with(Resource::OpenFiles, Limit { soft: 1024, hard: Some(Limit::UNLIMITED) }),
        );
    let command = Command {
        account: Some(Account {
            uid: 33,
            gid: 33,
            groups: vec![33, 100],
            is_another: true,
            login: Some(Login { name: Some("web".into()), home: Some("/home/web".into()), shell: None }),
        }),
        ..command
    };
    let mut web = AppSpec::new("web", command);
    web.listeners = vec![
        ListenSpec::new("http", ListenAddr::Tcp("127.0.0.1:80".into())).reuseport(),
        ListenSpec::new("admin", ListenAddr::Unix("/run/web.sock".into())),
        ListenSpec::new("dns", ListenAddr::Udp("[::1]:53".into())),
    ];
    web.workers = 2;
    web.protocol = Protocol::Notify;
    web.notify_access = NotifyAccess::All;
    web.stdin = Stdin::Socket("http".into());
    web.start.probe = Some(Probe::http("http://127.0.0.1:{8000+slot}/up".parse().unwrap()));
    web.health.liveness =
        Some(HealthCheck::new(ProbeKind::Exec { program: "true".into(), args: vec!["-v".into()] }));
    web.health.readiness = Some(HealthCheck::new(ProbeKind::Http {
        url: "unix:/run/web.sock:/up".parse().unwrap(),
        host: Some("web".into()),
        status: vec![200, 204],
    }));
    web.watchdog = Some(Duration::from_secs(20));
    web.reload = Some(ReloadSignal { signal: Signal::HUP, waits: true });
    web.suspend = Some(SuspendSignals { signal: Signal::USR1, resume_signal: Signal::USR2 });
    web.watch = Some(WatchPolicy {
        paths: vec!["src".into()],
        ignore: vec!["*.tmp".into()],
        ..WatchPolicy::default()
    });
    web.output = Output::Prefixed { colours: Colours::Stripped };
    web.logs =
        Some(LogPolicy { max_age: Some(Duration::from_secs(86_400)), ..LogPolicy::in_dir("/var/log/web") });
    web.recycle = RecyclePolicy {
        age: Some(Duration::from_secs(3600)),
        rss: Some(1 << 30),
        requests: None,
        jitter: 0.1,
    };
    web.restart.start_limit = Some(FailureLimit { then: LimitReached::StopAll, ..FailureLimit::default() });
    web.update.max_unavailable = Share::Percent(25);
    web.essential = true;
    web.depends_on = vec![Dependency { app: "job".into(), condition: Condition::Completed }];
    let mut job = AppSpec::new("job", Command::new("job"));
    job.workers = 1;
    job.kind = Kind::Cron;
    job.protocol = Protocol::None;
    job.heartbeat = None;
    job.cron = CronPolicy {
        schedule: Some("@every 90s".parse().unwrap()),
        catch_up: false,
        ..CronPolicy::default()
    };
    let http = HttpSettings {
        listen: ListenAddr::Tcp("127.0.0.1:9090".into()),
        hosts: vec!["admin.test".into()],
        control_token_file: Some("/etc/drover/token".into()),
    };
    Description {
        apps: vec![web, job],
        strategy: Strategy::OneForAll(Intensity::default()),
        shutdown_timeout: Duration::from_secs(45),
        fixed: FixedSettings { name: Some("shop".into()), http: Some(http) },
    }
}

#[test]
fn a_description_of_the_first_version_is_read_for_ever() {
    let written = golden("description-1.json", description);
    let read: Description = read_document(&written);
    assert_kept(&written, &document(&read), "description-1.json");
}

#[test]
fn every_value_of_a_description_comes_back() {
    let made = description();
    let read: Description = decode(&encode(&made)).unwrap();
    assert_eq!(format!("{read:?}"), format!("{made:?}"));
    assert!(read.apps.iter().zip(&made.apps).all(|(read, made)| read.command == made.command));
}

#[test]
fn what_a_later_version_adds_to_a_description_is_ignored() {
    let written = document(&description());
    let read: Description = read_document(&of_later_version(&written));
    assert_eq!(document(&read), written);
}

#[test]
fn a_description_that_was_cut_or_changed_is_refused_without_a_panic() {
    assert_never_panics(&encode(&description()), |bytes| drop(decode::<Description>(bytes)));
}
