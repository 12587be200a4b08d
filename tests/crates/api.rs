//! The public API of each library crate, as a list that is checked in, in `api/`: one line an item, one line an
//! implementation of a trait. A change of the API is so a change that a review sees.
//!
//! rustdoc describes the crates as JSON, which only a nightly may ask for, or whoever sets `RUSTC_BOOTSTRAP`; `public-api` makes the
//! lines of it. It reads one version of that format, and the test is skipped where rustdoc writes another.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use public_api::Builder;

use super::{cargo, output};

/// The format of `public-api` 0.52.1, and of Rust 1.93 to 1.95.
const FORMAT: u64 = 57;

/// The library crates, and the other crates whose types their public API has. A new version of one of those is a breaking one of
/// ours, so there are few.
const CRATES: [(&str, &[&str]); 4] = [
    ("drover-proto", &["bytes", "prost", "tokio_util"]),
    ("drover-master", &["bytes", "drover_proto", "serde_core", "serde_json", "tokio"]),
    ("drover-worker", &["axum", "bytes", "drover_proto", "futures_core", "tokio"]),
    ("drover-conform", &[]),
];

/// Where the messages are that are generated from `proto/`. They have guards of their own, which see more: `tests/baseline` of
/// drover-proto, and buf.
const GENERATED: [&str; 2] = ["drover_proto::v1::", "drover_proto::latest::"];

#[test]
fn the_public_api_is_the_one_that_is_written_down() {
    let described = describe();
    let changes: Vec<String> = CRATES.iter().filter_map(|(name, _)| changed(name, &described)).collect();
    assert!(
        changes.is_empty(),
        "{}\n\nIf the API is to change so, write it down: DROVER_BLESS=1 cargo test -p drover-e2e --test crates",
        changes.join("\n\n")
    );
}

#[test]
fn the_public_api_names_no_crate_but_these() {
    for (name, foreign) in CRATES {
        let text = fs::read_to_string(list(name)).unwrap();
        let own = name.replace('-', "_");
        let paths = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        let crates = paths.filter_map(|path| path.split_once("::")).map(|(first, _)| first);
        let named: BTreeSet<&str> = crates
            .filter(|first| first.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter(|first| !["alloc", "core", "std", &own].contains(first))
            .collect();
        assert_eq!(named, foreign.iter().copied().collect(), "the crates in {}", list(name).display());
    }
}

/// Has rustdoc describe all crates with all their features; the answer is the folder of the descriptions. The target folder is
/// one of its own, because the cargo that runs this test holds the other.
fn describe() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    let mut cargo = cargo();
    cargo
        .args(["doc", "--quiet", "--locked", "--no-deps", "--lib", "--all-features"])
        .args(CRATES.iter().flat_map(|(name, _)| ["--package", name]))
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json")
        // Nobody reads these descriptions but this test.
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("CARGO_ENCODED_RUSTDOCFLAGS");
    output(&mut cargo);
    target.join("doc")
}

/// How the API of a crate differs from its list; none if it does not.
fn changed(name: &str, described: &Path) -> Option<String> {
    let json = described.join(format!("{}.json", name.replace('-', "_")));
    let now = api(name, &json)?;
    let list = list(name);
    if std::env::var_os("DROVER_BLESS").is_some() {
        fs::write(&list, now).unwrap();
        return None;
    }
    let written = fs::read_to_string(&list).unwrap_or_default();
    let (was, is): (BTreeSet<_>, BTreeSet<_>) = (written.lines().collect(), now.lines().collect());
    let removed = was.difference(&is).map(|line| format!("  removed: {line}"));
    let added = is.difference(&was).map(|line| format!("  added:   {line}"));
    let lines: Vec<String> = removed.chain(added).collect();
    let title = format!("the public API of {name} is not what {} says:", list.display());
    (!lines.is_empty()).then(|| format!("{title}\n{}", lines.join("\n")))
}

/// Where the list of a crate is.
fn list(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/api").join(format!("{name}.txt"))
}

/// What the list of a crate has to say; none where rustdoc writes a format that can't be read.
fn api(name: &str, json: &Path) -> Option<String> {
    let text = fs::read_to_string(json).unwrap();
    let description: serde_json::Value = serde_json::from_str(&text).unwrap();
    let format = description["format_version"].as_u64();
    if format != Some(FORMAT) {
        let skipped =
            format!("rustdoc writes format {format:?}, and this test reads {FORMAT} (Rust 1.93 to 1.95)");
        assert!(
            std::env::var_os("CI").is_none(),
            "{skipped}: take the version of public-api in Cargo.toml that reads it"
        );
        drover_e2e::complain(&format!("SKIPPED: the public API of {name}: {skipped}"));
        return None;
    }
    let all = lines(json, false);
    let telling: BTreeSet<String> = lines(json, true).into_iter().collect();
    // Of what is derived, that it is there; its methods are known.
    let kept = all.iter().filter(|line| telling.contains(*line) || line.starts_with("impl"));
    Some(kept.filter(|line| is_told(line)).flat_map(|line| [line, "\n"]).collect())
}

/// Whether a line is worth one in the list.
fn is_told(line: &str) -> bool {
    // The last path of an implementation is what it is for, the first of an item is the item.
    let path =
        if line.starts_with("impl") { line.rfind("drover_proto::") } else { line.find("drover_proto::") };
    let is_generated = path.is_some_and(|at| GENERATED.iter().any(|module| line[at..].starts_with(module)));
    // Methods of traits that say it all, and the compiler's own mark of a derived PartialEq.
    let known = ["::fmt(&self, &mut core::fmt::Formatter<'_>)", "::drop(&mut self)", "StructuralPartialEq"];
    !is_generated && !known.iter().any(|known| line.contains(known))
}

fn lines(json: &Path, without_derived: bool) -> Vec<String> {
    let api = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(without_derived)
        .build()
        .unwrap();
    api.items().map(ToString::to_string).collect()
}
