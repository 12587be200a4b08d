//! Single values: how each kind is read from an [`KeyValue`], and what is said when it is not one.

use std::ops::Range;
use std::time::Duration;

use toml_edit::Value;

use super::mistake::{KeyPlace, Mistakes, shown};
use super::reader::KeyValue;
use super::suggest;
use crate::config::duration::{format_duration, parse_duration};
use crate::config::size::parse_size;

/// A text; control characters are allowed, but not the NUL that no system call can carry.
pub(crate) fn string<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<&'t str> {
    let Some(text) = entry.item.as_str() else {
        entry.mistype(mistakes, "a string");
        return None;
    };
    if text.contains('\0') {
        entry.refuse(mistakes, "contains a NUL character");
        return None;
    }
    Some(text)
}

/// A text that says something.
pub(crate) fn filled_string<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<&'t str> {
    let text = string(entry, mistakes)?;
    if text.is_empty() {
        entry.refuse(mistakes, "is empty");
        return None;
    }
    Some(text)
}

/// `true` or `false`.
pub(crate) fn boolean<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<bool> {
    let value = entry.item.as_bool();
    if value.is_none() {
        entry.mistype(mistakes, "a boolean");
    }
    value
}

/// A whole number.
pub(crate) fn integer<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<i64> {
    let number = entry.item.as_integer();
    if number.is_none() {
        let mistake = entry.mistype(mistakes, "an integer");
        if entry.item.as_str().is_some_and(|text| text.parse::<i64>().is_ok()) {
            mistake.help("write it without the quotes");
        }
    }
    number
}

/// A number, with or without a fraction.
pub(crate) fn number<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<f64> {
    // An integer above 2^53 loses its last digits here, which no factor or share can feel.
    let number = entry.item.as_float().or_else(|| entry.item.as_integer().map(|whole| whole as f64));
    if number.is_none() {
        entry.mistype(mistakes, "a number");
    }
    number
}

/// A duration with units.
pub(crate) fn duration<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<Duration> {
    if let Some(number) = entry.item.as_integer() {
        let example = if number < 0 { 30 } else { number };
        entry
            .refuse(mistakes, "is a number without a unit")
            .help(format!("write for example `\"{example}s\"`; units are ms, s, m, h and d"));
        return None;
    }
    let Some(text) = entry.item.as_str() else {
        entry.mistype(mistakes, "a duration").help("write for example `\"30s\"` or `\"1h30m\"`");
        return None;
    };
    match parse_duration(text) {
        Ok(duration) => Some(duration),
        Err(error) => {
            entry.refuse(mistakes, &error).help(error.help());
            None
        }
    }
}

/// A size with its unit.
pub(crate) fn size<'t>(entry: &KeyValue<'t>, mistakes: &mut Mistakes<'t>) -> Option<u64> {
    match (entry.item.as_integer(), entry.item.as_str()) {
        // Nothing is nothing in every unit.
        (Some(0), _) => return Some(0),
        (Some(number), _) => {
            let example = if number < 0 { 64 } else { number };
            entry
                .refuse(mistakes, "is a number without a unit")
                .help(format!("write for example `\"{example}MiB\"`; units are B, KiB, MiB, GiB and TiB"));
        }
        (None, Some(text)) => match parse_size(text) {
            Ok(size) => return Some(size),
            Err(error) => {
                entry.refuse(mistakes, &error).help(error.help());
            }
        },
        (None, None) => {
            entry.mistype(mistakes, "a size").help("write for example `\"64MiB\"`, or `\"unlimited\"`");
        }
    }
    None
}

/// One of a few words, each with its meaning.
pub(crate) fn word<'t, T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl FnOnce(&KeyValue<'t>, &mut Mistakes<'t>) -> Option<T> {
    move |entry, mistakes| {
        let text = string(entry, mistakes)?;
        let meaning = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if meaning.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            mistakes
                .add(entry.span.clone(), format!("unknown word `{}` for {}", shown(text), entry.path))
                .help(suggest::help(text, &known));
        }
        meaning
    }
}

/// The elements of an array that are right, each with its place.
pub(crate) fn elements<'t, T>(
    entry: &KeyValue<'t>,
    mistakes: &mut Mistakes<'t>,
    (many, one): (&str, &str),
    read: impl Fn(&'t Value) -> Option<T>,
) -> Option<Vec<(T, Range<usize>)>> {
    let Some(array) = entry.item.as_array() else {
        entry.mistype(mistakes, &format!("an array of {many}"));
        return None;
    };
    let mut elements = Vec::with_capacity(array.len());
    for value in array {
        let span = value.span().unwrap_or(entry.span.clone());
        match read(value) {
            Some(element) => elements.push((element, span)),
            None => {
                let found = shown(mistakes.source(&span));
                mistakes.add(span, format!("{} holds {found}, which is not {one}", entry.path));
            }
        }
    }
    Some(elements)
}

/// Notes it when the time of one key of a table is above that of another, where the file says so.
pub(crate) fn in_order(
    mistakes: &mut Mistakes<'_>,
    path: &str,
    (low, least): (&str, Duration),
    (high, most): (&str, Duration),
) {
    if least <= most {
        return;
    }
    let place = |key: &str| mistakes.place(&format!("{path}.{key}")).cloned();
    let (lower, upper) = (place(low), place(high));
    // What a mistake keeps from being known would only lead astray.
    let is_known = [&lower, &upper].into_iter().flatten().all(|place| place.is_right);
    let Some(at) = lower.as_ref().or(upper.as_ref()).filter(|_| is_known) else { return };
    let told = |time, place: &Option<KeyPlace>| {
        let default = if place.is_none() { ", the default" } else { "" };
        format!("({}{default})", format_duration(time))
    };
    let (least, most) = (told(least, &lower), told(most, &upper));
    let mistake =
        mistakes.add(at.span.clone(), format!("{path}.{low} {least} is longer than {path}.{high} {most}"));
    mistake.help(format!("raise `{high}` or lower `{low}`"));
    if let (Some(_), Some(other)) = (&lower, upper) {
        mistake.label(other.span, format!("`{high}` is set here"));
    }
}
