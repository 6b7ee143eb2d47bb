//! What ingress-nginx is told in annotations, which no schema knows: their names, and the shape of each value.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Value, json};

use super::{all_documents, document, root};

const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// Names, and what the controller accepts: an excerpt of the validators in its own sources.
///
/// Source: kubernetes/ingress-nginx at dbb11b92d (its last state, March 2026), `internal/ingress/annotations`:
/// `authreq/main.go`, `proxy/main.go`, `rewrite/main.go` with `parser/validators.go`. A snippet is missing on
/// purpose: the controller refuses it unless the cluster's administrator gives up on that protection.
const KNOWN: &[(&str, &str)] = &[
    ("auth-url", r"^https?://[-._~a-zA-Z0-9/:, ?&=$]+$"),
    ("auth-signin", r"^https?://[-._~a-zA-Z0-9/:, ?&=$]+$"),
    ("auth-method", r"^(GET|HEAD|POST|PUT|PATCH|DELETE|CONNECT|OPTIONS|TRACE)$"),
    ("auth-response-headers", r"^[A-Za-z0-9-_, ]*$"),
    ("auth-proxy-set-headers", r"^[-._~a-zA-Z0-9]+/[-._~a-zA-Z0-9]+$"),
    ("auth-always-set-cookie", r"^(true|false)$"),
    ("proxy-body-size", r"^(?i)\d+[bkmg]?$"),
    ("proxy-buffer-size", r"^(?i)\d+[bkmg]?$"),
    ("proxy-read-timeout", r"^\d+$"),
    (
        "proxy-next-upstream",
        r"^((error|timeout|invalid_header|http_500|http_502|http_503|http_504|http_403|http_404|http_429|non_idempotent|off)\s?)+$",
    ),
    ("ssl-redirect", r"^(true|false)$"),
];

/// What is wrong with the annotations of an Ingress.
fn complaints(ingress: &Value) -> Vec<String> {
    let known: BTreeMap<_, _> = KNOWN.iter().copied().collect();
    let annotations = ingress["metadata"]["annotations"].as_object().unwrap();
    let wrong = annotations.iter().filter_map(|(name, value)| {
        let Some(shape) = name.strip_prefix(PREFIX).and_then(|name| known.get(name)) else {
            return Some(format!("{name} is unknown"));
        };
        let good = value.as_str().is_some_and(|value| Regex::new(shape).unwrap().is_match(value));
        (!good).then(|| format!("{name} does not take {value}"))
    });
    wrong.collect()
}

fn ingresses() -> Vec<Value> {
    let found: Vec<_> =
        all_documents().into_iter().filter(|found| found["kind"] == "Ingress").collect();
    assert_eq!(found.len(), 2);
    found
}

/// The headers that are set to what the daemon says, lower case.
fn set_from_the_answer() -> Vec<String> {
    let ingress = document("Ingress", "wiki");
    let list = &ingress["metadata"]["annotations"][format!("{PREFIX}auth-response-headers")];
    let names = list.as_str().unwrap().split(',');
    names.map(|name| name.trim().to_lowercase()).collect()
}

#[test]
fn the_controller_knows_every_annotation_and_takes_every_value() {
    for ingress in ingresses() {
        assert_eq!(complaints(&ingress), [""; 0], "{}", ingress["metadata"]["name"]);
    }
}

#[test]
fn a_misspelt_annotation_and_a_value_of_another_shape_would_be_noticed() {
    for ingress in ingresses() {
        let annotations = ingress["metadata"]["annotations"].as_object().unwrap();
        for (name, value) in annotations {
            let mut misspelt = annotations.clone();
            misspelt.remove(name);
            misspelt.insert(format!("{name}s"), value.clone());
            let mut shapeless = annotations.clone();
            shapeless.insert(name.clone(), json!("a\nb;"));
            let mut untyped = annotations.clone();
            untyped.insert(name.clone(), json!(true));
            for spoiled in [misspelt, shapeless, untyped] {
                let mut other = ingress.clone();
                other["metadata"]["annotations"] = Value::Object(spoiled);
                assert_eq!(complaints(&other).len(), 1, "{name}");
            }
        }
    }
}

#[test]
fn the_question_is_put_in_the_daemons_words_from_a_map_that_exists() {
    let ingress = document("Ingress", "wiki");
    let annotations = &ingress["metadata"]["annotations"];
    let place = annotations[format!("{PREFIX}auth-proxy-set-headers")].as_str().unwrap();
    let (namespace, name) = place.split_once('/').unwrap();
    let map = document("ConfigMap", name);
    // The controller takes a map of the Ingress's own namespace only, unless told otherwise.
    assert_eq!(map["metadata"]["namespace"], namespace);
    assert_eq!(ingress["metadata"]["namespace"], namespace);
    let data = map["data"].as_object().unwrap();
    for (header, value) in [("X-Original-URI", "$request_uri"), ("X-Forwarded-Host", "$host")] {
        assert_eq!(data[header], value);
    }
    let url = annotations[format!("{PREFIX}auth-url")].as_str().unwrap();
    let service = document("Service", "vouchsafe");
    let [name, namespace] =
        ["name", "namespace"].map(|key| service["metadata"][key].as_str().unwrap());
    let port = &service["spec"]["ports"][0]["port"];
    assert_eq!(url, format!("http://{name}.{namespace}.svc.cluster.local:{port}/auth/nginx"));
}

/// What `to_app.conf` sets is what an application must not get from a client; here the answer sets it, or
/// nginx itself does.
#[test]
fn whatever_to_app_conf_removes_is_removed_here_too() {
    let snippet = std::fs::read_to_string(root().join("nginx/snippets/to_app.conf")).unwrap();
    let lines = snippet.lines().filter_map(|line| line.strip_prefix("proxy_set_header "));
    let names: Vec<_> = lines.map(|line| line.split(' ').next().unwrap().to_lowercase()).collect();
    assert!(names.len() > 30);
    // Set by the controller's template for every location, or told to stay in the file's head.
    let elsewhere = [
        "connection",
        "upgrade",
        "host",
        "cookie",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    ];
    let set = set_from_the_answer();
    for name in names.iter().filter(|name| !elsewhere.contains(&name.as_str())) {
        assert!(set.contains(name), "auth-response-headers lacks {name}");
    }
}
