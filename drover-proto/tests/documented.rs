//! `docs/reference/protocol.md` and the readme of the vectors name what the code and the `.proto` files hold.

mod common;

use drover_proto::frame::FrameLimit;
use drover_proto::handshake::HELLO_TIMEOUT;
use protox::prost_reflect::DescriptorPool;

use common::{FILES, compiled, proto_folder};

fn text(path: &str) -> String {
    let path = proto_folder().join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_message_that_can_be_sent_and_every_code_is_described() {
    let pool =
        DescriptorPool::from_file_descriptor_set(compiled()).expect("compiled descriptors are consistent");
    let docs = text("docs/reference/protocol.md");

    let mut wanted: Vec<String> =
        ["Hello", "HelloReply", "ControlHello", "ControlHelloReply"].map(str::to_owned).into();
    for message in pool.all_messages() {
        let arms = message.fields().filter(|field| field.containing_oneof().is_some());
        wanted.extend(arms.filter_map(|arm| Some(arm.kind().as_message()?.name().to_owned())));
    }
    for (of, prefix) in [("RejectCode", "REJECT_CODE_"), ("ErrorCode", "ERROR_CODE_")] {
        let codes = pool.get_enum_by_name(&format!("drover.v1.{of}")).unwrap();
        wanted.extend(codes.values().map(|value| value.name().replace(prefix, "")));
    }
    let envelopes = ["WorkerFrame", "MasterFrame"].map(|name| format!("drover.v1.{name}"));
    for envelope in envelopes.iter().map(|name| pool.get_message_by_name(name).unwrap()) {
        wanted.extend(envelope.fields().map(|field| field.name().to_owned()).take(4));
    }

    let is_named = |name: &String| {
        [format!("`{name}`"), format!("**{name}**"), format!("`{name}`s")]
            .iter()
            .any(|form| docs.contains(form))
    };
    let missing: Vec<_> = wanted.iter().filter(|name| !is_named(name)).collect();
    assert!(missing.is_empty(), "docs/reference/protocol.md says nothing about {missing:?}");
}

#[test]
fn limits_are_documented_as_they_are() {
    let grouped = |limit: FrameLimit| {
        let (millions, rest) = (limit.bytes() / 1_000_000, limit.bytes() % 1_000_000);
        format!("{millions},{:03},{:03} bytes", rest / 1_000, rest % 1_000)
    };
    for file in ["docs/reference/protocol.md", "proto/vectors/v1/README.md"] {
        for limit in [FrameLimit::WORKER, FrameLimit::CONTROL] {
            assert!(text(file).contains(&grouped(limit)), "{file} does not say {}", grouped(limit));
        }
    }
    let within = format!("within {} s of connecting", HELLO_TIMEOUT.as_secs());
    assert!(text("docs/reference/protocol.md").contains(&within));
}

#[test]
fn the_readme_lists_every_proto_file_and_every_vector_file() {
    for (readme, folder) in [("proto/README.md", "drover/v1"), ("proto/vectors/v1/README.md", "vectors/v1")] {
        let readme_text = text(readme);
        let entries: Vec<_> = std::fs::read_dir(proto_folder().join(folder)).unwrap().collect();
        assert!(entries.len() >= FILES.len());
        for entry in entries {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            assert!(name == "README.md" || readme_text.contains(&format!("`{name}`")), "{readme}: {name}");
        }
    }
}
