//! The protocol only grows. `baseline/v1.txt` lists every field and every enum value there ever was, one a line;
//! what stands there stays as it is. `proto/README.md` says how a change is made.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use drover_proto::latest::{ExitKind, KillCause, Phase};
use protox::prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

use common::{FILES, compiled, proto_folder};

/// The file whose messages are frozen for ever.
const HANDSHAKE: &str = "drover/v1/handshake.proto";

fn descriptors() -> DescriptorPool {
    DescriptorPool::from_file_descriptor_set(compiled()).expect("compiled descriptors are consistent")
}

/// One line for each field and enum value: `FILE: NAME = NUMBER TYPE`.
fn facts(pool: &DescriptorPool) -> BTreeSet<String> {
    let fields =
        pool.all_messages().flat_map(|message| message.fields().map(fact_of_field).collect::<Vec<_>>());
    let values = pool.all_enums().flat_map(|of| facts_of_enum(&of));
    fields.chain(values).collect()
}

fn fact_of_field(field: FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(of) => of.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    };
    let proto = field.field_descriptor_proto();
    let presence = match field.containing_oneof() {
        _ if field.is_list() => "repeated ".to_owned(),
        _ if proto.proto3_optional() => "optional ".to_owned(),
        Some(oneof) => format!("oneof {} ", oneof.name()),
        None => String::new(),
    };
    format!("{}: {} = {} {presence}{kind}", field.parent_file().name(), field.full_name(), field.number())
}

fn facts_of_enum(of: &EnumDescriptor) -> Vec<String> {
    let file = of.parent_file();
    let line = |name: &str, number| format!("{}: {}.{name} = {number}", file.name(), of.full_name());
    of.values().map(|value| line(value.name(), value.number())).collect()
}

fn only_in<'a>(these: &'a BTreeSet<String>, those: &'a BTreeSet<String>) -> Vec<&'a String> {
    these.difference(those).collect()
}

#[test]
fn nothing_that_was_ever_sent_has_changed_or_gone() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/baseline/v1.txt");
    let kept: BTreeSet<String> = std::fs::read_to_string(&path)
        .expect("the baseline is committed")
        .lines()
        .map(str::to_owned)
        .collect();
    let current = facts(&descriptors());

    let gone = only_in(&kept, &current);
    assert!(
        gone.is_empty(),
        "These stand in tests/baseline/v1.txt and no longer in proto/drover/v1:\n{gone:#?}\n\
         Peers in the field rely on them. Put them back with the same name, number and type, and give what is new \
         a number that was never used. If it cannot be added, it is a version 2: see proto/README.md."
    );

    let new = only_in(&current, &kept);
    let new_in_handshake: Vec<_> = new.iter().filter(|line| line.starts_with(HANDSHAKE)).collect();
    assert!(
        new_in_handshake.is_empty(),
        "The handshake is frozen for ever, and these are new in it:\n{new_in_handshake:#?}\n\
         Put it elsewhere: into an envelope, or behind a capability. If a field truly has to stand here, one that \
         every side may leave out and every old side ignores, add its line to tests/baseline/v1.txt by hand and \
         say why in the commit."
    );

    if std::env::var_os("DROVER_REGENERATE").is_some() {
        let lines: String = current.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(&path, lines).expect("the baseline is writable");
    } else {
        assert!(
            new.is_empty(),
            "These are new:\n{new:#?}\n\
             From here on they stay. If they are as they should be for ever, record them with \
             DROVER_REGENERATE=1 cargo test -p drover-proto --test only_grows"
        );
    }
}

#[test]
fn every_proto_file_is_compiled_and_so_checked() {
    let folder = proto_folder().join("drover/v1");
    let present: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| format!("drover/v1/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    assert_eq!(present, FILES.map(str::to_owned).into(), "list the file in tests/common/mod.rs");
}

#[test]
fn envelopes_keep_numbers_one_to_nine_and_bodies_begin_at_ten() {
    let pool = descriptors();
    let conversation: &[(u32, &str)] =
        &[(1, "seq"), (2, "reply_to"), (3, "expects_reply"), (4, "must_understand")];
    for (name, frozen) in [
        ("WorkerFrame", conversation),
        ("MasterFrame", conversation),
        ("ControlRequest", &[(1, "seq")]),
        ("ControlResponse", &[(1, "reply_to"), (2, "more")]),
    ] {
        let message = message(&pool, name);
        let (bodies, envelope): (Vec<_>, Vec<_>) = message
            .fields()
            .partition(|field| field.containing_oneof().is_some_and(|of| of.name() == "body"));
        let envelope: Vec<_> = envelope.iter().map(|field| (field.number(), field.name())).collect();
        assert_eq!(envelope, frozen, "{name}: the envelope is frozen; what is new is a body, from 10 up");
        let low: Vec<_> =
            bodies.iter().filter(|body| body.number() < 10).map(FieldDescriptor::name).collect();
        assert!(low.is_empty(), "{name}: 1 to 9 belong to the envelope, so number {low:?} from 10 up");
        assert!(!bodies.is_empty(), "{name} has no bodies");
    }
}

#[test]
fn every_enum_begins_unspecified_and_prefixes_its_values() {
    for of in descriptors().all_enums() {
        let prefix = screaming(of.name());
        let zero = of.get_value(0).map(|value| value.name().to_owned());
        assert_eq!(zero, Some(format!("{prefix}_UNSPECIFIED")), "{}: what an old side reads", of.full_name());
        for value in of.values() {
            let rest = value.name().strip_prefix(&prefix).and_then(|rest| rest.strip_prefix('_'));
            assert!(rest.is_some_and(|rest| !rest.is_empty()), "{} has to begin {prefix}_", value.name());
        }
    }
}

#[test]
fn names_in_json_are_the_enum_values_without_their_prefix() {
    let pool = descriptors();
    let in_json = |of: &str, name: fn(&str) -> Option<&'static str>| {
        let of = pool.get_enum_by_name(&format!("drover.v1.{of}")).unwrap();
        let prefix = screaming(of.name()) + "_";
        for value in of.values().filter(|value| value.number() != 0) {
            let plain = value.name().strip_prefix(&prefix).unwrap().to_lowercase();
            assert_eq!(name(value.name()), Some(plain.as_str()), "{}", value.name());
        }
    };
    in_json("Phase", |value| Phase::from_str_name(value).map(Phase::name));
    in_json("ExitKind", |value| ExitKind::from_str_name(value).map(ExitKind::name));
    in_json("KillCause", |value| KillCause::from_str_name(value).and_then(KillCause::name));
}

fn message(pool: &DescriptorPool, name: &str) -> MessageDescriptor {
    pool.get_message_by_name(&format!("drover.v1.{name}")).unwrap_or_else(|| panic!("no message {name}"))
}

/// `RejectCode` as `REJECT_CODE`.
fn screaming(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.extend(letter.to_uppercase());
    }
    words
}
