//! What crates.io and docs.rs show of the crates that are published.

use std::path::Path;

use serde_json::Value;

use super::{cargo, output};

#[test]
fn each_crate_that_is_published_says_what_it_is() {
    let metadata = output(cargo().args(["metadata", "--locked", "--no-deps", "--format-version", "1"]));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let published: Vec<&Value> = packages.iter().filter(|package| package["publish"].is_null()).collect();
    assert_eq!(published.len(), 5, "{published:?}");
    for package in published {
        let name = package["name"].as_str().unwrap();
        for field in ["description", "license", "repository", "rust_version"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        for (field, most) in [("keywords", 5), ("categories", 5)] {
            let count = package[field].as_array().unwrap().len();
            assert!((1..=most).contains(&count), "{name} has {count} {field}, and 1 to {most} may be");
        }
        let readme = package["readme"].as_str().unwrap_or_else(|| panic!("{name} has no readme"));
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let readme = manifest.with_file_name(readme);
        assert!(readme.is_file(), "{name}: there is no {}", readme.display());
        let docs = &package["metadata"]["docs"]["rs"]["all-features"];
        assert_eq!(*docs, Value::Bool(true), "docs.rs shows {name} without its features");
    }
}
