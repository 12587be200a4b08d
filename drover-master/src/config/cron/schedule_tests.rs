#[cfg(feature = "timezone")]
use proptest::prelude::*;

use super::*;

fn schedule(text: &str) -> Schedule {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// What is due after this second, one after the other.
fn due(text: &str, zone: &Zone, after: i64, count: usize) -> Vec<String> {
    let schedule = schedule(text);
    let mut time = instant(after).unwrap();
    let mut next = || {
        time = schedule.next_after(time, zone).unwrap();
        zone.shown(time)
    };
    (0..count).map(|_| next()).collect()
}

/// 2026-11-29, a Sunday, 18:15:21 UTC.
const NOW: i64 = 1_795_976_121;

#[test]
fn fields_nicknames_and_intervals_are_due_when_crontab_says() {
    for (text, expected) in [
        ("* * * * *", ["2026-11-29T18:16:00Z", "2026-11-29T18:17:00Z"]),
        ("*/20 * * * *", ["2026-11-29T18:20:00Z", "2026-11-29T18:40:00Z"]),
        ("15 * * * *", ["2026-11-29T19:15:00Z", "2026-11-29T20:15:00Z"]),
        ("5/25 9 * * *", ["2026-11-30T09:05:00Z", "2026-11-30T09:30:00Z"]),
        ("0 9 * * MON-FRI", ["2026-11-30T09:00:00Z", "2026-12-01T09:00:00Z"]),
        ("0 9 * * sun", ["2026-12-06T09:00:00Z", "2026-12-13T09:00:00Z"]),
        ("0 9 * * 7", ["2026-12-06T09:00:00Z", "2026-12-13T09:00:00Z"]),
        ("0 0 1,15 * *", ["2026-12-01T00:00:00Z", "2026-12-15T00:00:00Z"]),
        // Either day where both are named, both where one is open: as cron has it.
        ("0 0 2 * 2", ["2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"]),
        ("0 0 */2 * 2", ["2026-12-01T00:00:00Z", "2026-12-15T00:00:00Z"]),
        ("0 0 29 2 *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 31 JAN-DEC/2 *", ["2027-01-31T00:00:00Z", "2027-03-31T00:00:00Z"]),
        ("@hourly", ["2026-11-29T19:00:00Z", "2026-11-29T20:00:00Z"]),
        ("@Daily", ["2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"]),
        ("@midnight", ["2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z"]),
        ("@weekly", ["2026-12-06T00:00:00Z", "2026-12-13T00:00:00Z"]),
        ("@monthly", ["2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
        ("@yearly", ["2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"]),
        ("@every 1h30m", ["2026-11-29T19:45:21Z", "2026-11-29T21:15:21Z"]),
    ] {
        assert_eq!(due(text, &Zone::UTC, NOW, 2), expected, "{text}");
    }
}

#[test]
fn a_text_that_is_no_schedule_is_refused_with_what_is_wrong() {
    for (text, expected) in [
        ("", "has 0 fields"),
        ("0 3 * *", "has 4 fields, but a schedule has 5"),
        ("0 0 3 * * *", "has 6 fields"),
        ("60 * * * *", "has `60` for the minute: it takes 0 to 59"),
        ("* 24 * * *", "has `24` for the hour: it takes 0 to 23"),
        ("* * 0 * *", "has `0` for the day of the month: it takes 1 to 31"),
        ("* * * 13 *", "has `13` for the month: it takes 1 to 12 or JAN to DEC"),
        ("* * * * 8", "has `8` for the day of the week: it takes 0 to 7 or SUN to SAT"),
        ("* * * * FRI-MON", "has `FRI-MON` for the day of the week: it ends before it begins"),
        ("*/0 * * * *", "has `*/0` for the minute: its step has to be a number from 1 to 59"),
        ("*/x * * * *", "has `*/x` for the minute: its step"),
        ("1,,2 * * * *", "has `` for the minute"),
        ("+1 * * * *", "has `+1` for the minute"),
        ("0 0 30 2 *", "is never due"),
        ("0 0 ? * *", "has `?` for the day of the month"),
        ("@fortnightly", "has the unknown nickname `@fortnightly`"),
        ("@reboot", "has the unknown nickname `@reboot`"),
        ("@every", "has the unknown nickname `@every`"),
        ("@every 5", "has a time for @every that has no unit after `5`"),
        ("@every 10ms", "is due more often than every second"),
    ] {
        let error = Schedule::from_str(text).expect_err(text);
        assert!(error.to_string().starts_with(expected), "{text}: {error}");
        assert!(!error.help().is_empty());
    }
}

#[cfg(feature = "timezone")]
mod zones {
    use super::*;
    use crate::config::ZoneError;

    /// The clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
    fn berlin() -> Zone {
        Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3")
    }

    /// 2026-03-28T23:00:00Z, midnight in Berlin.
    const SPRING: i64 = 1_774_738_800;
    /// 2026-10-24T22:00:00Z, midnight in Berlin.
    const AUTUMN: i64 = 1_792_879_200;

    #[test]
    fn what_falls_into_the_hour_that_is_left_out_is_due_once_at_its_end() {
        for (text, expected) in [
            ("30 2 * * *", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]),
            ("*/10 2 * * *", ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]),
            ("0 3 * * *", ["2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"]),
            ("30 2,3 * * *", ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"]),
            ("30 1 * * *", ["2026-03-29T01:30:00+01:00", "2026-03-30T01:30:00+02:00"]),
        ] {
            assert_eq!(due(text, &berlin(), SPRING, 2), expected, "{text}");
        }
    }

    #[test]
    fn what_falls_into_the_hour_that_comes_twice_is_due_the_first_time_only() {
        for (text, expected) in [
            ("30 2 * * *", ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]),
            ("0 2,3 * * *", ["2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"]),
            ("59 2 25 10 *", ["2026-10-25T02:59:00+02:00", "2027-10-25T02:59:00+02:00"]),
        ] {
            assert_eq!(due(text, &berlin(), AUTUMN, 2), expected, "{text}");
        }
        // Also for one who asks in the middle of the second time.
        assert_eq!(due("30 2 * * *", &berlin(), AUTUMN + 3 * 3600, 1), ["2026-10-26T02:30:00+01:00"]);
    }

    #[test]
    fn what_is_for_any_hour_is_due_all_the_time() {
        let spring = due("*/30 * * * *", &berlin(), SPRING + 5400, 3);
        assert_eq!(
            spring,
            ["2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00", "2026-03-29T04:00:00+02:00"]
        );
        let autumn = due("*/30 * * * *", &berlin(), AUTUMN + 2 * 3600, 4);
        assert_eq!(
            autumn,
            [
                "2026-10-25T02:30:00+02:00",
                "2026-10-25T02:00:00+01:00",
                "2026-10-25T02:30:00+01:00",
                "2026-10-25T03:00:00+01:00"
            ]
        );
    }

    #[test]
    fn zones_have_the_names_that_a_file_has() {
        assert_eq!("UTC".parse(), Ok(Zone::UTC));
        assert_eq!("local".parse::<Zone>().unwrap().name(), "local");
        assert_eq!("Mars/Phobos".parse::<Zone>(), Err(ZoneError::Unknown));
    }

    proptest! {
        /// Against every minute of two days round a change of the clocks.
        #[test]
        fn it_is_due_just_when_looking_at_every_minute_says(
            minutes in 0..60u8, step in 1..60u8, hours in proptest::option::of(0..24u8), is_spring: bool,
        ) {
            let hours = hours.map_or("*".to_owned(), |hour| hour.to_string());
            let text = format!("{minutes}/{step} {hours} * * *");
            let fields = CronFields::parse(&text).unwrap();
            let zone = berlin();
            let begin = if is_spring { SPRING } else { AUTUMN } - 3600;
            // The latest local time that was shown.
            let mut latest = None;
            let mut expected = Vec::new();
            for second in (begin..begin + 2 * 86_400).step_by(60) {
                let local = second + zone.offset_at(second);
                let fits = |local: i64| fields.next_from(local / 60) == Some(local / 60);
                // Each minute of the day once; those that were left out count with the one that follows.
                let from = latest.map_or(local, |latest| latest + 60);
                let is_due = match fields.is_of_any_hour() {
                    true => fits(local),
                    false => (from..=local).step_by(60).any(fits),
                };
                latest = latest.max(Some(local));
                if is_due {
                    expected.push(second);
                }
            }
            let mut found = Vec::new();
            let mut at = begin - 1;
            while let Some(next) = next_second(&fields, at, &zone).filter(|next| *next < begin + 2 * 86_400) {
                found.push(next);
                at = next;
            }
            prop_assert_eq!(found, expected, "{}", text);
        }
    }
}
