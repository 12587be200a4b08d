//! What keys do, and what is seen of it.

use ratatui_core::buffer::Buffer;
use ratatui_core::style::{Color, Modifier};

use super::{at, console, line, press, shop, status, text};
use crate::top::model::{Act, Input, Order, OrderKind};
use crate::top::view::view;

#[test]
fn an_order_is_asked_for_with_its_command_line_and_carried_out_only_when_it_is_confirmed() {
    let mut console = console(80, 24);
    for (keys, line) in [
        ("r", "drover reload mail"),
        ("R", "drover restart mail"),
        ("+", "drover scale mail=+1"),
        ("+++-", "drover scale mail=+2"),
        ("+-", "drover scale mail=-1"),
        ("s", "drover stop mail"),
        ("S", "drover start mail"),
        ("u", "drover suspend mail"),
        ("U", "drover resume mail"),
        ("p", "drover reload --promote mail"),
        ("a", "drover reload --abort mail"),
    ] {
        assert_eq!(press(&mut console, keys), None);
        let shown = text(&view(&console));
        assert!(shown.contains(line), "{shown}");
        assert_eq!(press(&mut console, "x"), None, "{keys}");
        let Some(Act::Carry(order)) = press(&mut console, "y") else { panic!("{keys}") };
        assert_eq!(order.line(), line);
    }
    for no in ["n", "⎋", "q"] {
        assert_eq!(press(&mut console, &format!("r{no}")), None);
        assert!(!text(&view(&console)).contains("drover reload"), "{no}");
    }
    // Of a worker, what is about workers; the rest is about its app.
    press(&mut console, "↓");
    let expected = Order { what: OrderKind::Restart, name: "mail/1".into() };
    assert_eq!(press(&mut console, "Ry"), Some(Act::Carry(expected)));
    let expected = Order { what: OrderKind::Reload, name: "mail".into() };
    assert_eq!(press(&mut console, "r⏎"), Some(Act::Carry(expected)));
}

#[test]
fn who_only_looks_changes_nothing_and_is_not_shown_how() {
    let mut console = console(80, 24);
    console.is_read_only = true;
    for key in "rR+-sSuUpa".chars() {
        assert_eq!(press(&mut console, &format!("{key}y")), None, "{key}");
    }
    press(&mut console, "r");
    assert!(text(&view(&console)).contains("this view is read-only"));
    press(&mut console, "?");
    assert!(!text(&view(&console)).contains("reload the app"));
}

#[test]
fn a_search_finds_as_it_is_typed_and_goes_from_match_to_match() {
    let mut console = console(80, 14);
    for number in 0..50 {
        let text = if number % 10 == 0 { format!("mark {number}") } else { format!("line {number}") };
        console.apply(Input::Line(1, line("mail", 0, 100 + number, &text)), at(100 + number));
    }
    press(&mut console, "/MARK");
    let shown = view(&console);
    // Capitals count once they are typed.
    assert!(text(&shown).contains("/MARK▏") && !text(&shown).contains("mark 40"), "{}", text(&shown));
    press(&mut console, "⌫⌫⌫⌫mark");
    let shown = view(&console);
    assert!(text(&shown).contains("mark 40"), "{}", text(&shown));
    let is_found = |screen: &Buffer| screen.content().iter().filter(|cell| cell.bg == Color::Yellow).count();
    assert_eq!(is_found(&shown), 4);
    press(&mut console, "⏎N");
    assert!(text(&view(&console)).contains("mark 30"));
    press(&mut console, "NNN");
    assert!(text(&view(&console)).contains("mark 0"));
    press(&mut console, "N");
    assert!(text(&view(&console)).contains("mark 40"));
    press(&mut console, "n");
    assert!(text(&view(&console)).contains("mark 0"));
    press(&mut console, "⎋/nothing⏎");
    assert!(text(&view(&console)).contains("nothing here matches nothing"));
    press(&mut console, "/(");
    assert!(text(&view(&console)).contains("not a regular expression"));
}

#[test]
fn a_filter_leaves_what_matches_and_escape_brings_all_back() {
    let mut console = console(80, 24);
    press(&mut console, "&queue⏎");
    let shown = text(&view(&console));
    assert!(shown.contains("the queue is full") && !shown.contains("listening"), "{shown}");
    press(&mut console, "⎋");
    assert!(text(&view(&console)).contains("listening"));
}

#[test]
fn it_follows_until_it_is_scrolled_and_counts_what_came_since() {
    let mut console = console(80, 14);
    for number in 0..30 {
        console.apply(Input::Line(1, line("mail", 0, 100 + number, &format!("<{number}>"))), at(0));
    }
    assert!(text(&view(&console)).contains("<29>"));
    press(&mut console, "⇥↑");
    let shown = text(&view(&console));
    assert!(!shown.contains("<29>") && shown.contains("<28>") && shown.contains("+1 new"), "{shown}");
    for number in 30..33 {
        console.apply(Input::Line(1, line("mail", 0, 100 + number, &format!("<{number}>"))), at(0));
    }
    let shown = text(&view(&console));
    assert!(shown.contains("<28>") && !shown.contains("<29>") && shown.contains("+4 new"), "{shown}");
    press(&mut console, "⇞⇞⇞⇞⇞⇞⇞⇞⇞");
    assert!(text(&view(&console)).contains("listening"));
    press(&mut console, "f");
    let shown = text(&view(&console));
    assert!(shown.contains("<32>") && shown.contains("following"), "{shown}");
}

#[test]
fn lines_that_were_followed_before_are_not_shown_among_those_of_another() {
    let mut console = console(80, 24);
    console.apply(Input::LinesBegin(2), at(0));
    console.apply(Input::Line(1, line("mail", 0, 70, "late")), at(70));
    console.apply(Input::Line(2, line("mail", 1, 80, "current")), at(80));
    console.apply(Input::LinesMissed(2, 7), at(90));
    let shown = text(&view(&console));
    assert!(!shown.contains("late") && shown.contains("current"), "{shown}");
    assert!(!shown.contains("listening") && shown.contains("7 lines were missed"), "{shown}");
}

#[test]
fn failures_and_levels_have_their_colours() {
    let console = console(80, 24);
    let screen = view(&console);
    let colour = |words: &str| {
        let (y, row) = text(&screen)
            .lines()
            .enumerate()
            .find_map(|(y, row)| {
                Some((y, row.char_indices().position(|(at, _)| row[at..].starts_with(words))?))
            })
            .unwrap();
        let cell = &screen[(u16::try_from(row).unwrap(), u16::try_from(y).unwrap())];
        (cell.fg, cell.modifier.contains(Modifier::REVERSED))
    };
    assert_eq!(colour("backing off"), (Color::Yellow, false));
    assert_eq!(colour("ready"), (Color::Green, false));
    assert_eq!(colour(r#"{"level":"error""#), (Color::Red, false));
    assert_eq!(colour("running"), (Color::Green, true));
}

#[test]
fn a_master_that_is_gone_is_told_until_it_is_there_again() {
    let mut console = console(80, 24);
    console.apply(Input::Lost("no master answers".into()), at(0));
    assert!(text(&view(&console)).starts_with("the master is gone: no master answers"));
    console.apply(Input::Found, at(0));
    assert!(text(&view(&console)).starts_with("master pid 3999, up 1 h 2 min, from /srv/shop/drover.toml"));
}

#[test]
fn only_what_is_shown_is_asked_for() {
    let mut console = console(80, 24);
    assert_eq!(console.wanted().lines.as_deref(), Some("mail"));
    assert!(console.wanted().status, "something has happened since");
    console.apply(status(shop()), at(0));
    assert!(!console.wanted().status && console.wanted().in_flight);
    press(&mut console, "3");
    assert_eq!((console.wanted().lines, console.wanted().evidence), (None, None));
    press(&mut console, "↓");
    assert_eq!(console.wanted().evidence, Some(("mail/1".into(), 2, 4)));
    console.apply(Input::Resized(80, 10), at(0));
    assert_eq!(console.wanted().evidence, None);
}

#[test]
fn a_long_line_moves_sideways_and_what_was_found_in_it_too() {
    let mut console = console(80, 24);
    let text_of_line = format!("{}needle in the hay", "x".repeat(60));
    console.apply(Input::Line(1, line("mail", 0, 60, &text_of_line)), at(60));
    press(&mut console, "/needle⏎");
    assert!(!text(&view(&console)).contains("needle in the hay"));
    press(&mut console, "→→");
    let screen = view(&console);
    let shown = text(&screen);
    assert!(shown.contains("│ xxxxxxxxxxxxxxxxxxxxneedle in the hay"), "{shown}");
    let found: String =
        screen.content().iter().filter(|cell| cell.bg == Color::Yellow).map(|cell| cell.symbol()).collect();
    assert_eq!(found, "needle");
    press(&mut console, "→→→→→");
    assert!(!text(&view(&console)).contains("in the hay"));
    press(&mut console, "←←←←←←←←");
    assert!(text(&view(&console)).contains("│ xxx"));
}

#[test]
fn a_narrowed_list_says_so_until_escape_brings_all_back() {
    let mut console = console(80, 24);
    press(&mut console, "Fdrain");
    let shown = text(&view(&console));
    assert!(shown.contains("Fdrain▏") && shown.contains("web/1 ↓") && !shown.contains("mail/0  "), "{shown}");
    assert_eq!(console.list.selected.as_ref().unwrap().name(), "web");
    press(&mut console, "⏎");
    assert!(text(&view(&console)).lines().next().unwrap().ends_with("only drain"));
    press(&mut console, "Fxyz⏎");
    assert!(text(&view(&console)).contains("no app or worker matches xyz; Esc shows all"));
    press(&mut console, "F⎋⎋");
    let shown = text(&view(&console));
    assert!(shown.contains("mail/0  ") && !shown.contains("only"), "{shown}");
    press(&mut console, "F(");
    assert!(text(&view(&console)).contains("not a regular expression"));
}

#[test]
fn a_long_line_goes_on_in_the_next_row_where_that_is_wanted_and_none_is_out_of_reach() {
    let mut console = console(80, 24);
    let long = format!("begin {}needle {}end", "x".repeat(50), "y".repeat(100));
    console.apply(Input::Line(1, line("mail", 0, 60, &long)), at(60));
    console.apply(Input::Line(1, line("mail", 0, 61, "short")), at(61));
    assert!(!text(&view(&console)).contains("yend"));
    press(&mut console, "w/needle⏎");
    let screen = view(&console);
    let shown = text(&screen);
    let joined: String = shown.lines().flat_map(|row| row.chars().skip(22)).collect();
    assert!(joined.contains(&long), "{shown}");
    let found: String =
        screen.content().iter().filter(|cell| cell.bg == Color::Yellow).map(|cell| cell.symbol()).collect();
    assert_eq!(found, "needle");
    // Up to the oldest, which is in reach though the rows are fewer than the lines.
    for number in 0..30 {
        console.apply(Input::Line(1, line("mail", 0, 100 + number, &long)), at(100 + number));
    }
    press(&mut console, "⎋zg");
    assert!(text(&view(&console)).contains("listening on 127.0.0.1:2525"));
    press(&mut console, "Gw");
    assert!(!text(&view(&console)).contains("yend"));
}
