//! Single values: how each kind is read from an [`Entry`], and what is said when it is not one.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml_edit::Value;

use super::mistake::{Mistakes, Place, shown};
use super::reader::Entry;
use super::{names, suggest, units};

/// A text; control characters are allowed, but not the NUL that no system call can carry.
pub(in crate::config) fn string<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<&'t str> {
    let Some(text) = entry.item.as_str() else {
        entry.mistype(mistakes, "a string");
        return None;
    };
    if text.contains('\0') {
        mistakes.add(entry.span.clone(), format!("{} contains a NUL character", entry.path));
        return None;
    }
    Some(text)
}

/// A text that says something.
pub(in crate::config) fn filled_string<'t>(
    entry: &Entry<'t>,
    mistakes: &mut Mistakes<'t>,
) -> Option<&'t str> {
    let text = string(entry, mistakes)?;
    if text.is_empty() {
        mistakes.add(entry.span.clone(), format!("{} is empty", entry.path));
        return None;
    }
    Some(text)
}

/// `true` or `false`.
pub(in crate::config) fn boolean<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<bool> {
    let value = entry.item.as_bool();
    if value.is_none() {
        entry.mistype(mistakes, "a boolean");
    }
    value
}

/// A whole number within limits.
pub(in crate::config) fn whole<'t>(
    limits: RangeInclusive<u32>,
) -> impl FnOnce(&Entry<'t>, &mut Mistakes<'t>) -> Option<u32> {
    move |entry, mistakes| {
        let Some(number) = entry.item.as_integer() else {
            let mistake = entry.mistype(mistakes, "an integer");
            if entry.item.as_str().is_some_and(|text| text.parse::<i64>().is_ok()) {
                mistake.help("write it without the quotes");
            }
            return None;
        };
        let whole = u32::try_from(number).ok().filter(|whole| limits.contains(whole));
        if whole.is_none() {
            out_of_range(entry, mistakes, number, limits.start(), limits.end());
        }
        whole
    }
}

/// A whole number within limits that may lie below zero.
pub(in crate::config) fn integer<'t>(
    limits: RangeInclusive<i32>,
) -> impl FnOnce(&Entry<'t>, &mut Mistakes<'t>) -> Option<i32> {
    move |entry, mistakes| {
        let Some(number) = entry.item.as_integer() else {
            entry.mistype(mistakes, "an integer");
            return None;
        };
        let integer = i32::try_from(number).ok().filter(|integer| limits.contains(integer));
        if integer.is_none() {
            out_of_range(entry, mistakes, number, limits.start(), limits.end());
        }
        integer
    }
}

/// A number, with or without a fraction, within limits; the upper one may be infinite, the number may not.
pub(in crate::config) fn number<'t>(
    limits: RangeInclusive<f64>,
) -> impl FnOnce(&Entry<'t>, &mut Mistakes<'t>) -> Option<f64> {
    move |entry, mistakes| {
        // An integer above 2^53 loses its last digits here, which no factor or share can feel.
        let number = entry.item.as_float().or_else(|| entry.item.as_integer().map(|whole| whole as f64));
        let Some(number) = number else {
            entry.mistype(mistakes, "a number");
            return None;
        };
        if number.is_finite() && limits.contains(&number) {
            return Some(number);
        }
        let (path, least) = (&entry.path, limits.start());
        if number.is_finite() && limits.end().is_finite() {
            out_of_range(entry, mistakes, number, least, limits.end());
        } else {
            let message = format!("{path} is {number}, but must be a finite number of at least {least}");
            mistakes.add(entry.span.clone(), message);
        }
        None
    }
}

/// A duration with units.
pub(in crate::config) fn duration<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<Duration> {
    if let Some(number) = entry.item.as_integer() {
        let example = if number < 0 { 30 } else { number };
        mistakes
            .add(entry.span.clone(), format!("{} is a number without a unit", entry.path))
            .help(format!("write for example `\"{example}s\"`; units are ms, s, m, h and d"));
        return None;
    }
    let Some(text) = entry.item.as_str() else {
        entry.mistype(mistakes, "a duration").help("write for example `\"30s\"` or `\"1h30m\"`");
        return None;
    };
    match units::parse_duration(text) {
        Ok(duration) => Some(duration),
        Err(error) => {
            mistakes.add(entry.span.clone(), format!("{} {error}", entry.path)).help(error.help());
            None
        }
    }
}

/// A duration with units that is more than zero.
pub(in crate::config) fn some_duration<'t>(
    entry: &Entry<'t>,
    mistakes: &mut Mistakes<'t>,
) -> Option<Duration> {
    let duration = duration(entry, mistakes)?;
    if duration.is_zero() {
        mistakes.add(entry.span.clone(), format!("{} must be more than zero", entry.path));
        return None;
    }
    Some(duration)
}

/// One of a few words, each with its meaning.
pub(in crate::config) fn word<'t, T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl FnOnce(&Entry<'t>, &mut Mistakes<'t>) -> Option<T> {
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

/// The name of the master.
pub(in crate::config) fn name<'t>(entry: &Entry<'t>, mistakes: &mut Mistakes<'t>) -> Option<String> {
    let name = string(entry, mistakes)?;
    if let Some((fault, help)) = names::fault(name) {
        mistakes.add(entry.span.clone(), format!("{} {fault}", entry.path)).help(help);
        return None;
    }
    Some(name.to_owned())
}

/// The elements of an array that are right, each with its place.
pub(in crate::config) fn elements<'t, T>(
    entry: &Entry<'t>,
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
pub(super) fn in_order(
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
    let told = |time, place: &Option<Place>| {
        let default = if place.is_none() { ", the default" } else { "" };
        format!("({}{default})", units::format_duration(time))
    };
    let (least, most) = (told(least, &lower), told(most, &upper));
    let mistake =
        mistakes.add(at.span.clone(), format!("{path}.{low} {least} is longer than {path}.{high} {most}"));
    mistake.help(format!("raise `{high}` or lower `{low}`"));
    if let (Some(_), Some(other)) = (&lower, upper) {
        mistake.label(other.span, format!("`{high}` is set here"));
    }
}

fn out_of_range<T: Display>(
    entry: &Entry<'_>,
    mistakes: &mut Mistakes<'_>,
    number: impl Display,
    least: &T,
    most: &T,
) {
    mistakes.add(entry.span.clone(), format!("{} is {number}, but must be {least} to {most}", entry.path));
}
