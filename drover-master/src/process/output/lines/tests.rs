use proptest::prelude::*;

use super::*;

/// A line, or a part of one.
#[derive(Debug, PartialEq)]
struct LinePart {
    bytes: Vec<u8>,
    goes_on: bool,
}

impl LinePart {
    fn line(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), goes_on: false }
    }

    fn shown(&self) -> Vec<u8> {
        LineBlock::of(self.bytes.clone(), self.goes_on, 0).shown().to_vec()
    }
}

/// One by one.
fn parts(block: LineBlock) -> Vec<LinePart> {
    assert_eq!(block.lines().count() as u64, block.count());
    block.lines().map(|bytes| LinePart { bytes: bytes.to_vec(), goes_on: block.goes_on }).collect()
}

fn text(part: &LinePart) -> &str {
    std::str::from_utf8(&part.bytes).expect("no character is cut")
}

proptest! {
    #[test]
    fn lines_are_the_same_however_the_stream_is_cut(text in "[a-c\n]{0,200}", cuts in prop::collection::vec(1usize..30, 1..20)) {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        let (mut rest, mut cuts) = (text.as_bytes(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            lines.feed(&Bytes::copy_from_slice(piece), |block| got.extend(parts(block).into_iter().map(|part| String::from_utf8(part.bytes).unwrap())));
            rest = after;
        }
        lines.finish(|block| got.extend(parts(block).into_iter().map(|part| String::from_utf8(part.bytes).unwrap())));
        prop_assert_eq!(got, text.lines().map(str::to_owned).collect::<Vec<_>>());
    }

    #[test]
    fn parts_are_whole_characters_and_together_the_line(
        text in "[a-zé→🐑]{0,60}", cuts in prop::collection::vec((1usize..9, any::<bool>()), 1..20)
    ) {
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        let line = format!("{text}\n");
        let (mut rest, mut cuts) = (line.as_bytes(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (length, then_silence) = cuts.next().unwrap();
            let (piece, after) = rest.split_at(length.min(rest.len()));
            lines.feed(&Bytes::copy_from_slice(piece), |block| got.extend(parts(block)));
            if then_silence {
                lines.pause(|block| got.extend(parts(block)));
            }
            rest = after;
        }
        prop_assert_eq!(got.iter().map(self::text).collect::<String>(), text);
    }
}

#[test]
fn many_lines_stay_where_they_were_read_and_few_hold_no_more_than_themselves() {
    let read =
        Bytes::from(b"torn\n".iter().copied().chain(b"line\n".repeat(SHARED / 5 + 1)).collect::<Vec<_>>());
    let (mut lines, mut got) = (Lines::default(), Vec::new());
    lines.feed(&Bytes::from_static(b"half"), |block| got.push(block));
    lines.feed(&read, |block| got.push(block));
    assert_eq!(got[0].lines().collect::<Vec<_>>(), [b"halftorn"]);
    assert_eq!((got[1].count() as usize, got.len()), (SHARED / 5 + 1, 2));
    assert!(read.as_ptr_range().contains(&got[1].ended().as_ptr()), "not copied");
    lines.feed(&read.slice(..10), |block| got.push(block));
    assert!(!read.as_ptr_range().contains(&got[2].ended().as_ptr()), "copied");
    assert_eq!(got[2].ended(), "torn\nline\n");
}

#[test]
fn a_line_is_whole_up_to_the_limit_and_beyond_it_parts_are_marked_and_no_character_is_cut() {
    let line = |length: usize| format!("x{}", "é".repeat(length / 2));
    for (length, expected) in [(SHORT + 1, 1), (MAX - 1, 1), (MAX + 1, 2), (3 * MAX, 4)] {
        let line = line(length);
        let (mut lines, mut got) = (Lines::default(), Vec::new());
        for piece in line.as_bytes().chunks(4096) {
            lines.feed(&Bytes::copy_from_slice(piece), |block| got.extend(parts(block)));
        }
        lines.feed(&Bytes::from_static(b"\n"), |block| got.extend(parts(block)));
        lines.feed(&Bytes::from_static(b"next\n"), |block| got.extend(parts(block)));
        assert_eq!(got.pop(), Some(LinePart::line(b"next")));
        assert_eq!(got.len(), expected, "{length}");
        assert!(got.iter().all(|part| part.bytes.len() <= MAX));
        let (last, before) = got.split_last().unwrap();
        assert!(!last.goes_on && before.iter().all(|part| part.goes_on));
        assert!(before.iter().all(|part| part.shown().ends_with("é…".as_bytes())));
        assert!(got.iter().map(text).collect::<String>() == line);
    }
}

#[test]
fn silence_hands_on_what_was_begun_and_its_end_says_nothing_more() {
    let (mut lines, mut got) = (Lines::default(), Vec::new());
    lines.feed(&Bytes::from_static("waiting… \u{e9}".as_bytes().split_last().unwrap().1), |block| {
        got.extend(parts(block))
    });
    assert!(got.is_empty() && lines.has_begun());
    lines.pause(|block| got.extend(parts(block)));
    assert_eq!(text(&got[0]), "waiting… ");
    // Half a character is nothing to hand on, however long it stays that.
    assert!(!lines.has_begun());
    lines.pause(|block| got.extend(parts(block)));
    lines.feed(&Bytes::from_static(b"\xa9\nagain"), |block| got.extend(parts(block)));
    assert_eq!((got.len(), text(&got[1]), got[1].goes_on), (2, "\u{e9}", false));
    lines.pause(|block| got.extend(parts(block)));
    lines.feed(&Bytes::from_static(b"\n\n"), |block| got.extend(parts(block)));
    assert_eq!(got[2..], [LinePart { bytes: b"again".to_vec(), goes_on: true }, LinePart::line(b"")]);
}

#[test]
fn each_line_has_its_place_in_the_stream_and_lines_go_on_from_there() {
    let (mut lines, mut got) = (Lines::default(), Vec::new());
    let mut places = |block: LineBlock| {
        got.extend(block.lines_with_places().map(|(line, place)| (line.to_vec(), place)));
    };
    lines.feed(&Bytes::from_static(b"begun"), &mut places);
    lines.pause(&mut places);
    assert_eq!(lines.place(), StreamPlace::at(5, true));
    let mut lines = Lines::from(lines.place());
    lines.feed(&Bytes::from_static(b", ended\ntwo\n\nlast"), &mut places);
    lines.finish(&mut places);
    let expected = [("begun", 5), (", ended", 13), ("two", 17), ("", 18), ("last", 22)];
    let expected = expected.map(|(line, end)| (line.as_bytes().to_vec(), StreamPlace::at(end, end == 5)));
    assert_eq!(got, expected);
}

#[test]
fn no_more_than_a_bound_of_lines_are_long_at_once() {
    // Other tests of this process may have some of them.
    let mut streams: Vec<Lines> = (0..=LONG_AT_ONCE).map(|_| Lines::default()).collect();
    let mut got = Vec::new();
    for lines in &mut streams {
        lines.feed(&Bytes::from_static(&[b'x'; SHORT + 1]), |block| got.extend(parts(block)));
    }
    assert!(!got.is_empty() && got.iter().all(|part| part.goes_on && part.bytes.len() == SHORT));
    streams.clear();
    let mut lines = Lines::default();
    got.clear();
    lines.feed(&Bytes::from_static(&[b'x'; SHORT + 1]), |block| got.extend(parts(block)));
    lines.feed(&Bytes::from_static(b"\n"), |block| got.extend(parts(block)));
    assert_eq!(got.len(), 1, "there is room again");
}
