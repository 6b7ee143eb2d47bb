//! The part of the document about tokens, nodes and handlers.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::authority::factor::administration::nodes::{HandlerState, NodeState, NodeTest};
use crate::authority::factor::administration::{
    AddedToken, ImportReport, ListedToken, NewPin, Otps, TokenImport, TokenWish,
};
use crate::edge::admin::openapi::{answer, media, problem, schema};

/// What is under `/api/v1/tokens`, `/api/v1/nodes` and `/api/v1/handlers`.
pub fn paths(schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let list = |items: Value| json!({ "type": "array", "items": items });
    let wish = body(&schema::<TokenWish>(schemas));
    let import = body(&schema::<TokenImport>(schemas));
    let added = answer(
        "The token; what its owner needs is shown this once",
        &schema::<AddedToken>(schemas),
    );
    let report = answer("What became of each token", &schema::<ImportReport>(schemas));
    let listed = answer("A page of tokens, without secrets", &list(schema::<ListedToken>(schemas)));
    let nodes = answer("All nodes, the local one first", &list(schema::<NodeState>(schemas)));
    let tested = answer("Whether it lives, and what was seen of it", &schema::<NodeTest>(schemas));
    let handlers = answer("All handlers, in their order", &list(schema::<HandlerState>(schemas)));
    let nothing = body(&json!({ "type": "object" }));
    let rest = json!({
        "/api/v1/tokens": {
            "get": {
                "summary": "Lists tokens of the local node",
                "parameters": [
                    parameter("user", "string", "Only those of this user, with or without the realm"),
                    parameter("realm", "string", "Only those of owners in this realm"),
                    parameter("serial", "string", "Only this one"),
                    parameter("after", "string", "The serial of the last one of the page before"),
                    parameter("limit", "integer", "At most so many, 100 if not said; never more than 1000"),
                ],
                "responses": responses(&listed),
            },
            "post": {
                "summary": "Makes a token",
                "requestBody": wish,
                "responses": responses(&added),
            },
        },
        "/api/v1/tokens/import": {
            "post": {
                "summary": "Imports tokens; one that cannot be made does not hold up the others",
                "requestBody": import,
                "responses": responses(&report),
            },
        },
        "/api/v1/tokens/{serial}": {
            "delete": {
                "summary": "Removes a token for good",
                "parameters": [named("serial")],
                "requestBody": nothing,
                "responses": responses(&done()),
            },
        },
        "/api/v1/nodes": {
            "get": { "summary": "What was seen of the MFA nodes", "responses": responses(&nodes) },
        },
        "/api/v1/nodes/{name}/test": {
            "post": {
                "summary": "Asks a node whether it lives, about nobody; an answer closes its breaker",
                "parameters": [named("name")],
                "requestBody": nothing,
                "responses": responses(&tested),
            },
        },
        "/api/v1/handlers": {
            "get": {
                "summary": "The handlers of questions about second factors, as they were understood",
                "responses": responses(&handlers),
            },
        },
    });
    let changes = [
        ("enable", "Lets a token be used", nothing.clone()),
        ("disable", "Lets a token not be used", nothing.clone()),
        ("reset", "Forgets a token's failures", nothing),
        ("resync", "Sets a token right by two OTPs in a row", body(&schema::<Otps>(schemas))),
        ("pin", "Gives a token another PIN", body(&schema::<NewPin>(schemas))),
    ];
    let changes = changes.map(|(name, summary, body)| {
        let about = json!({ "post": {
            "summary": summary,
            "parameters": [named("serial")],
            "requestBody": body,
            "responses": responses(&done()),
        }});
        (format!("/api/v1/tokens/{{serial}}/{name}"), about)
    });
    let rest = rest.as_object().into_iter().flatten();
    rest.map(|(path, about)| (path.clone(), about.clone())).chain(changes).collect()
}

pub(super) fn body(schema: &Value) -> Value {
    json!({ "required": true, "content": media(schema) })
}

pub(super) fn parameter(name: &str, kind: &str, description: &str) -> Value {
    json!({ "name": name, "in": "query", "schema": { "type": kind }, "description": description })
}

pub(super) fn named(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

pub(super) fn done() -> Value {
    answer("It is done", &json!({ "type": "object" }))
}

fn responses(good: &Value) -> Value {
    json!({
        "200": good,
        "404": problem("There is no such token or node, or no local node"),
        "default": problem("Not let in, not understood, or not possible; nothing has changed"),
    })
}
