use proptest::prelude::*;

use super::*;
use crate::machine::testing::origin;

/// 2026-11-29T18:15:21Z.
const NOW: u64 = 1_795_976_121;

fn wall(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + secs(second)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn policy(schedule: &str) -> CronPolicy {
    CronPolicy { schedule: Some(schedule.parse().unwrap()), ..CronPolicy::default() }
}

/// What is due when the wall clock shows these seconds one after the other, counted from [`NOW`]: how long it has been due, and how
/// many were missed before.
fn looks(schedule: &str, shown: &[i64]) -> Vec<Option<(u64, u64)>> {
    let mut timetable = Timetable::new(&policy(schedule), origin(), wall(NOW));
    let mut look = |second: &i64| {
        let due = timetable.look(origin(), wall(NOW.checked_add_signed(*second).unwrap()))?;
        Some((due.late.as_secs(), due.missed))
    };
    shown.iter().map(&mut look).collect()
}

const HOUR: i64 = 3600;

#[test]
fn each_time_is_due_once_whatever_is_done_to_the_clock() {
    // On every hour; the first one comes after 2679 seconds.
    for (shown, expected) in [
        (&[2678, 2679, 2680][..], vec![None, Some((0, 0)), None]),
        // Set back by an hour and a half: what it passes a second time has been.
        (&[2679, 2679 - 5400, 2679, 2679 + HOUR], vec![Some((0, 0)), None, None, Some((0, 0))]),
        // By a day: it was wrong.
        (&[2679, 2679 - 24 * HOUR + 1, 2679 - 23 * HOUR], vec![Some((0, 0)), None, Some((0, 0))]),
        // Forward, over three of them.
        (&[2679 + 2 * HOUR + 5, 2679 + 3 * HOUR], vec![Some((5, 2)), Some((0, 0))]),
        // Over three days: a day of them is counted, and one stands for those before.
        (&[2679 + 72 * HOUR], vec![Some((0, 24))]),
    ] {
        assert_eq!(looks("@hourly", shown), expected, "{shown:?}");
    }
    // Rare ones that lie longer back than what is counted.
    assert_eq!(looks("0 0 1 * *", &[10 * 24 * HOUR]), [Some((8 * 86_400 + 65_721, 0))]);
    assert_eq!(looks("0 0 1 * *", &[40 * 24 * HOUR]), [Some((7 * 86_400 + 65_721, 1))]);
}

#[test]
fn an_interval_does_not_care_about_the_wall_clock() {
    let start = origin();
    let mut timetable = Timetable::new(&policy("@every 90s"), start, wall(NOW));
    let mut look = |after: u64, shown: u64| {
        let due = timetable.look(start + secs(after), wall(shown));
        due.map(|due| (due.late.as_secs(), due.missed, due.at.duration_since(wall(0)).unwrap().as_secs()))
    };
    assert_eq!(look(89, NOW + 89), None);
    assert_eq!(look(90, NOW), Some((0, 0, NOW)));
    assert_eq!(look(91, NOW + 100_000), None);
    // Late, and then on its grid again; three were missed.
    assert_eq!(look(90 * 5 + 7, NOW), Some((7, 3, NOW - 7)));
    assert_eq!(look(90 * 6 - 1, NOW), None);
    assert_eq!(look(90 * 6, NOW), Some((0, 0, NOW)));
    assert_eq!(timetable.deadline(), Some(start + secs(90 * 7)));
    assert_eq!(timetable.wall_deadline(), None);
    assert_eq!(timetable.next(start + secs(90 * 6), wall(NOW)), Some(wall(NOW + 90)));
}

proptest! {
    /// Steps of any size: nothing is due twice, and what was due is told as due or as missed.
    #[test]
    fn nothing_is_due_twice_and_nothing_is_lost(steps in proptest::collection::vec(-7200..9000i64, 1..40)) {
        let mut timetable = Timetable::new(&policy("*/10 * * * *"), origin(), wall(NOW));
        let (mut shown, mut furthest, mut told) = (NOW, NOW, 0);
        let mut last = None;
        for step in steps {
            // Never back by so much, from where it was, that it was wrong.
            shown = shown.saturating_add_signed(step).max(furthest - 3 * 3600);
            furthest = furthest.max(shown);
            if let Some(due) = timetable.look(origin(), wall(shown)) {
                prop_assert!(last.is_none_or(|last| due.at > last), "{:?} after {:?}", due.at, last);
                prop_assert!(due.at <= wall(shown));
                last = Some(due.at);
                told += 1 + due.missed;
            }
        }
        prop_assert_eq!(told, furthest / 600 - NOW / 600);
    }
}
