//! `drover schema`.

use serde_json::Value;

use crate::harness::Home;

#[test]
fn it_is_a_json_schema_of_the_file() {
    let home = Home::new();
    let ended = home.run(&["schema"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["version"]["const"], 1);
}
