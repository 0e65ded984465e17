//! The JSON Schema of a pipeline file, made of the types in `raw`.

use serde_json::Value;

use super::raw::Pipeline;

/// The JSON Schema (2020-12) of a pipeline file, for editors and for `refit schema`.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Pipeline).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), Value::from("refit pipeline"));
    }
    allow_notes(&mut schema);
    schema
}

/// Keys that begin with `x-` hold notes and anchors, as in Compose.
fn allow_notes(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.contains_key("properties") && object.get("additionalProperties") == Some(&Value::Bool(false)) {
                object.insert("patternProperties".to_owned(), serde_json::json!({ "^x-": {} }));
            }
            object.values_mut().for_each(allow_notes);
        }
        Value::Array(items) => items.iter_mut().for_each(allow_notes),
        _ => {}
    }
}
