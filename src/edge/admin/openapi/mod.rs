//! What the API offers, as OpenAPI 3.1: made of the types that are really read and written.

mod factors;
mod sessions;
mod store;

use actix_web::HttpResponse;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::authority::refusals::KeptRefusal;
use crate::domain::explanation::Explanation;
use crate::edge::asked::Asked;

/// `/api/openapi.json`.
pub async fn openapi() -> HttpResponse {
    super::json(&document())
}

/// The document, the same as docs/openapi.json.
#[must_use]
pub fn document() -> Value {
    let mut schemas = SchemaGenerator::new(
        SchemaSettings::draft2020_12()
            .with(|settings| settings.definitions_path = "/components/schemas".into()),
    );
    let mut paths = json!({
        "/api/v1/explain": {
            "get": {
                "summary": "The refusal of a request by its id (a list without steps if none is named)",
                "parameters": [{
                    "name": "request", "in": "query", "schema": { "type": "string" },
                    "description": "The proxy's request id (X-Request-Id)",
                }],
                "responses": {
                    "200": answer("The refusal, or all that are kept, the latest first", &json!({
                        "oneOf": [
                            schema::<KeptRefusal>(&mut schemas),
                            { "type": "array", "items": schema::<KeptRefusal>(&mut schemas) },
                        ],
                    })),
                    "404": problem("No refusal of this request is kept"),
                    "default": problem("Not let in, or not understood"),
                },
            },
            "post": {
                "summary": "Explains how a request would be decided; nothing happens",
                "requestBody": { "required": true, "content": media(&schema::<Asked>(&mut schemas)) },
                "responses": {
                    "200": answer("The decision, and every step to it", &schema::<Explanation>(&mut schemas)),
                    "default": problem("Not let in, or not understood"),
                },
            },
        },
        "/api/openapi.json": {
            "get": {
                "summary": "This document",
                "responses": { "200": answer("This document", &json!({ "type": "object" })) },
            },
        },
    });
    if let Value::Object(paths) = &mut paths {
        paths.extend(factors::paths(&mut schemas));
        paths.extend(sessions::paths(&mut schemas));
        paths.extend(store::paths(&mut schemas));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Vouchsafe's admin API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "On the admin listener, for whoever has the credential of `admin.credential`.",
        },
        "security": [{ "credential": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "credential": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas.take_definitions(true),
        },
    })
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

fn media(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn answer(description: &str, schema: &Value) -> Value {
    json!({ "description": description, "content": media(schema) })
}

fn problem(description: &str) -> Value {
    let error = json!({ "type": "string", "description": "What is wrong, and what to do" });
    let schema =
        json!({ "type": "object", "properties": { "error": error }, "required": ["error"] });
    answer(description, &schema)
}
