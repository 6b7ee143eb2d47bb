//! The part of the document about sessions.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::authority::sessions::{EndReport, EndWish, SessionList, ShownSession};
use crate::edge::admin::openapi::factors::{body, done, named, parameter};
use crate::edge::admin::openapi::{answer, problem, schema};

/// What is under `/api/v1/sessions`.
pub fn paths(schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let list = answer("A page of live sessions", &schema::<SessionList>(schemas));
    let shown = answer("The session and its variables", &schema::<ShownSession>(schemas));
    let wish = body(&schema::<EndWish>(schemas));
    let report = answer("What this step did", &schema::<EndReport>(schemas));
    let paths = json!({
        "/api/v1/sessions": {
            "get": {
                "summary": "Lists live sessions",
                "parameters": [
                    parameter("user", "string", "Only those of this user"),
                    parameter("realm", "string", "Only those of this realm"),
                    parameter("master", "string", "Only those that this master asserted"),
                    parameter("client", "string", "Only those that this address opened"),
                    parameter("level", "integer", "Only those of at least this level"),
                    parameter("key", "string", "Only those whose key begins like this"),
                    parameter("after", "string", "`next` of the page before"),
                    parameter("limit", "integer", "How many are enough, 100 if not said; a page may have somewhat more, or fewer"),
                ],
                "responses": responses(&list),
            },
        },
        "/api/v1/sessions/{key}": {
            "get": {
                "summary": "Shows a session; not the values of variables that `log.variables` does not name",
                "parameters": [named("key")],
                "responses": responses(&shown),
            },
            "delete": {
                "summary": "Ends a session, on all nodes",
                "parameters": [named("key")],
                "requestBody": body(&json!({ "type": "object" })),
                "responses": responses(&done()),
            },
        },
        "/api/v1/sessions/end": {
            "post": {
                "summary": "Ends the sessions that fit, one step of it: ask again with `next` and `before` of the answer until there is no `next`",
                "requestBody": wish,
                "responses": responses(&report),
            },
        },
    });
    paths.as_object().cloned().unwrap_or_default()
}

fn responses(good: &Value) -> Value {
    json!({
        "200": good,
        "404": problem("There is no such session, or it has ended"),
        "503": problem("The store failed; what was to end may live on"),
        "default": problem("Not let in, or not understood"),
    })
}
