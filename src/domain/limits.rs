//! Every bound on foreign input, in one table (SEMANTICS D6).
//!
//! `docs/limits.md` is generated from [`LIMITS`]; each row has a test at the parser that enforces it.

/// One row of the table: what is bounded, by how much, and what happens above.
pub struct Limit {
    /// The constant's name.
    pub name: &'static str,
    /// The bound, in `unit`.
    pub value: usize,
    /// What `value` counts.
    pub unit: &'static str,
    /// What is bounded and what happens above the bound.
    pub meaning: &'static str,
}

macro_rules! limits {
    ($($name:ident = $value:expr, $unit:literal, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: usize = $value;)*
        /// All limits, in the order of the documentation.
        pub const LIMITS: &[Limit] = &[$(Limit {
            name: stringify!($name), value: $value, unit: $unit, meaning: $meaning,
        }),*];
    };
}

limits! {
    TARGET_BYTES = 8192, "bytes", "path and query of the request asked about; longer is denied (`malformed_target`)";
    RETURN_URL_BYTES = 4096, "bytes", "URL to come back to after a login; of a longer page the way back leads to its host, and a longer `url=` is refused";
    HOST_BYTES = 253, "bytes", "host name without port; longer is denied (`malformed_host`)";
    METHOD_BYTES = 32, "bytes", "request method; longer is denied (`malformed_method`)";
    CHAIN_ADDRESSES = 32, "addresses", "elements of X-Forwarded-For; more are denied (`malformed_forwarded_for`)";
    LOGIN_BYTES = 256, "bytes", "login header of a master; longer is denied (`malformed_login`)";
    CONTROL_BYTES = 1024, "bytes", "control header of a master; longer is a mismatch";
    ATTRIBUTE_BYTES = 4096, "bytes", "one exported variable, as received and as decoded; longer is denied (`oversized_attribute`). A macro or an export in CEL that is longer fails";
    ATTRIBUTES_BYTES = 16384, "bytes", "all exported variables of one identity, as received and as decoded; more is denied (`oversized_attribute`). What a function of an expression makes may not be longer either, or the expression fails";
    ATTRIBUTE_VALUES = 1024, "values", "items of one list variable; more are denied (`oversized_attribute`). A macro or `groups` with more fails";
    COOKIE_LINES = 16, "headers", "Cookie headers that are read; later ones are ignored";
    COOKIE_CANDIDATES = 4, "values", "values under the session cookie's name that are tried; later ones are ignored";
    ANSWER_HEAD_BYTES = 4096, "bytes", "head of an answer to a proxy; above, a metric and a warning name the application";
    CHECK_BYTES = 262_144, "bytes", "message of a gRPC check; a larger one is refused";
    GRPC_CONNECTIONS = 256, "connections", "gRPC connections at a time; further ones are closed at once";
    GRPC_STREAMS = 128, "streams", "calls of one gRPC connection at a time; further ones are refused";
    GRPC_HEAD_BYTES = 8192, "bytes", "headers of a gRPC call, not those asked about; more are refused";
    GRPC_GREETING_SECONDS = 5, "seconds", "time for a new gRPC connection to begin to speak HTTP/2; then it is closed";
    CHECKS_AT_ONCE = 256, "checks", "gRPC checks that are read or answered at a time; further ones wait";
    CHECK_SECONDS = 5, "seconds", "time for a gRPC check to be sent, wait and be answered; then it is refused";
    LOGIN_FORM_BYTES = 65536, "bytes", "body of a portal request; longer is refused with 413";
    LOGO_BYTES = 262_144, "bytes", "picture of `slave.display_logo`; a larger one is a configuration error";
    ACCEPT_LANGUAGE_BYTES = 256, "bytes", "Accept-Language of a portal request; longer is ignored";
    PATTERN_BYTES = 1024, "bytes", "`path_glob` of a rule; a longer one is a configuration error";
    EXPRESSION_BYTES = 1024, "bytes", "an expression; a longer one is a configuration error";
    EXPRESSION_DEPTH = 32, "levels", "nesting of an expression; a deeper one is a configuration error";
    EXPRESSION_STEPS = 32768, "steps", "parts of an expression, those of `exists` and `all` counted once for every item that the list may have; more are a configuration error";
    EXPRESSION_PARAMETERS = 256, "parameters", "query parameters that an expression sees; of more it fails, and its rule denies (`rule_failed`)";
    DEFINITIONS = 256, "definitions", "`macros` and `groups` together; more are a configuration error";
    EXPORTS_PER_APPLICATION = 40, "headers", "exports of one application; more are a configuration error";
    APPLICATIONS = 10_000, "applications", "applications in one configuration; more are a configuration error";
    REFUSALS_KEPT = 256, "refusals", "denials that can be explained by their request id, and as many challenges; older ones are forgotten";
    REFUSAL_STEPS = 100, "steps", "steps of a kept refusal; of more the middle ones are left out";
    REFUSALS_PER_CLIENT = 2, "refusals", "refusals of one client that are kept for explanation in a second; further ones are only counted and sampled";
    REFUSALS_PER_SECOND = 20, "refusals", "refusals that are kept for explanation in a second; further ones are only counted and sampled";
    API_BYTES = 65_536, "bytes", "body of a request to the admin API; longer is refused with 413";
    TOKEN_IMPORT_BYTES = 16_777_216, "bytes", "body of a request to the admin API that imports tokens; longer is refused with 413";
    CONFIG_BYTES = 16_777_216, "bytes", "size of config.yaml; larger is a configuration error";
    IMPORT_BYTES = 16_777_216, "bytes", "configuration that `vouchsafe import` reads; a larger one is refused";
    FACTORS_PER_SESSION = 8, "factors", "second factors that a session keeps; of more the newest are kept";
    NODE_ANSWER_BYTES = 65_536, "bytes", "answer of an MFA node; a larger one counts as unknown";
    NODE_TEXT_BYTES = 1024, "bytes", "one text of an MFA node's answer; longer is cut. `detail.origin` longer than 255 is dropped";
    NODE_ITEMS = 64, "items", "challenges, attributes and values of an attribute in an MFA node's answer; further ones are dropped";
    VALIDATE_BYTES = 65_536, "bytes", "body of a request to `/validate/*`; longer is refused with 413";
    VALIDATE_PARAMETERS = 64, "parameters", "parameters of a request to `/validate/*`; more are refused";
    FACTOR_SECRET_BYTES = 512, "bytes", "PIN and OTP, or the answer to a challenge; longer is refused unread";
    TOKENS_PER_USER = 32, "tokens", "tokens of one user at the local node; further ones are refused, and never looked at";
    TOKEN_NOTES = 16, "notes", "what is noted about a token of the local node; a token with more is refused";
    SERIAL_BYTES = 40, "bytes", "serial of a token of the local node; a longer one is refused";
    FEDERATION_HOPS = 4, "nodes", "nodes that a question has come through; one that came through more, or through this one, is refused";
    FACTOR_TEXT_BYTES = 255, "bytes", "node, token type and serial of a second factor, each; a longer one makes it no factor";
    RECORD_BYTES = 32768, "bytes", "one stored session record; larger is never written and never read";
}
