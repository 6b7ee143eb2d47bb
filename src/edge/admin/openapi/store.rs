//! The part of the document about the store.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::edge::admin::openapi::factors::{body, done};
use crate::edge::admin::openapi::{answer, problem, schema};
use crate::edge::admin::store::StoreState;

/// What is under `/api/v1/store`.
pub fn paths(schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let state = answer("What it is now", &schema::<StoreState>(schemas));
    let file = json!({
        "description": "A store file that can be put in the place of the daemon's",
        "content": { "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } },
    });
    let responses = |good: &Value| {
        json!({
            "200": good,
            "409": problem("Stores of this kind do not do that, or it is being done already"),
            "503": problem("The store failed"),
            "default": problem("Not let in, or not understood"),
        })
    };
    let paths = json!({
        "/api/v1/store": {
            "get": { "summary": "What the session store is", "responses": responses(&state) },
        },
        "/api/v1/store/compact": {
            "post": {
                "summary": "Begins to copy what lives into a smaller file, which takes the place of the present one at the end",
                "requestBody": body(&json!({ "type": "object" })),
                "responses": responses(&done()),
            },
        },
        "/api/v1/store/backup": {
            "get": {
                "summary": "A copy of the session store as it is at this moment",
                "responses": responses(&file),
            },
        },
    });
    paths.as_object().cloned().unwrap_or_default()
}
