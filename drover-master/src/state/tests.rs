use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use super::{Encoded, Specs, decode, encode};
use crate::config::{AppSpec, Command, Output};
use crate::ids::Generation;
use crate::machine::fleet::Release;

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
    impl crate::config::OutputSink for Nowhere {
        fn take<'a>(
            &'a self,
            _: crate::config::Line<'a>,
        ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
            Box::pin(async {})
        }
    }
    let spec =
        AppSpec { output: Output::Sink(Arc::new(Nowhere)), ..AppSpec::new("web", Command::new("serve")) };
    let error = decode::<AppSpec>(&encode(&spec)).unwrap_err().to_string();
    assert!(error.contains("a sink for output is a part of the program"), "{error}");
}
