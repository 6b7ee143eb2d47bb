//! `vouchsafe node` and `/api/v1/{nodes,handlers}`: whether nodes live, and how handlers were understood.

use serde_json::{Value, json};

use crate::station::Station;
use crate::support::bad_node::{BadNode, Manner};
use crate::support::daemon::replace;

/// One that asks a good node, one that is no node, and nobody.
fn asking(good: &Station, odd: &BadNode) -> Station {
    let nobody = crate::support::free_address();
    Station::start_with(&format!(
        "  servers:\n    good: {{ url: \"http://{}\" }}\n    odd: {{ url: \"http://{}\" }}\n    \
         gone: {{ url: \"http://{nobody}\", probe_interval: 1h, breaker: {{ failures: 2, pause: 1h }} }}\n  \
         handlers:\n    - {{ name: second, order: 20, action: forward, event: validate_check, \
         conditions: {{ result_value: false, failcounter: '>3' }}, options: {{ server: good, realm: lab }} }}\n    \
         - {{ name: first, order: 10, active: false, action: forward, event: validate_triggerchallenge, \
         position: pre, mode: race, on_error: fail, options: {{ server: gone, client_ip: true }} }}\n",
        good.daemon.public, odd.address
    ))
}

fn odd() -> BadNode {
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    BadNode::start(Manner::Says(page.to_vec()))
}

#[test]
fn a_node_is_tested_through_the_daemon_and_without_it() {
    let (good, odd) = (Station::start(), odd());
    let station = asking(&good, &odd);
    for is_running in [true, false] {
        if !is_running {
            station.daemon.terminate();
        }
        let out = station.run(&["node", "test", "good"]).good();
        let said = format!("the node good (child) at http://{} answers, in ", good.daemon.public);
        assert!(out.starts_with(&said) && out.contains("breaker: closed"), "{out}");
        let out = station.run(&["node", "test", "odd"]);
        assert_eq!(out.code, Some(1), "{out:?}");
        assert!(out.out.contains("is not usable: its answer (HTTP 200) is none of an"), "{out:?}");
        let out = station.run(&["node", "test", "gone"]);
        assert_eq!(out.code, Some(1), "{out:?}");
        assert!(out.out.contains("no connection comes about"), "{out:?}");
        assert!(station.run(&["node", "test", "local"]).good().contains("the node local (local)"));
        let said = station.run(&["node", "test", "lab"]).bad();
        assert!(said.contains("no node 'lab'; there are: "), "{said}");
        let list = station.run(&["node", "list"]).good();
        assert_eq!(list.lines().count(), 5, "{list}");
    }
    // A node whose tokens a running daemon has is no hindrance to a test of another one.
    station.daemon.restart();
    let config = std::fs::read_to_string(station.daemon.path("config.yaml")).unwrap();
    let admin = format!("\n  admin: {}", station.daemon.admin);
    station.file("w.yaml", &replace(&config, &admin, "\n  #"));
    station.run_with("w.yaml", &["node", "test", "good"], "").good();
}

#[test]
fn what_was_seen_of_nodes_and_how_handlers_were_understood_is_told() {
    let (good, odd) = (Station::start(), odd());
    let station = asking(&good, &odd);
    let test = |name: &str| station.ask("POST", &format!("/api/v1/nodes/{name}/test"), &json!({}));
    assert_eq!(test("nobody").status, 404);
    assert_eq!(test("good").json()["is_good"], true);
    for _ in 0..2 {
        assert_eq!(test("gone").json()["is_good"], false);
    }
    let nodes = station.request("GET", "/api/v1/nodes").send(station.daemon.admin).json();
    let names: Vec<&Value> = nodes.as_array().unwrap().iter().map(|node| &node["name"]).collect();
    assert_eq!(names, ["local", "good", "odd", "gone"]);
    assert_eq!((&nodes[0]["is_base"], &nodes[0]["role"]), (&true.into(), &"local".into()));
    assert_eq!((&nodes[1]["state"], &nodes[1]["in_flight"]), (&"closed".into(), &0.into()));
    assert!(nodes[1]["answered"].is_u64() && nodes[1]["latency_ms"].is_f64(), "{nodes}");
    assert_eq!((&nodes[3]["state"], nodes[3]["error"].is_string()), (&"open".into(), true));

    let handlers = station.request("GET", "/api/v1/handlers").send(station.daemon.admin).json();
    assert_eq!(
        handlers,
        json!([
            { "name": "first", "turn": 1, "is_active": false, "events": ["validate_triggerchallenge"],
              "position": "pre", "conditions": [], "when_unknown": "no_match", "server": "gone",
              "options": ["client_ip: true"], "mode": "race", "on_error": "fail" },
            { "name": "second", "turn": 2, "is_active": true, "events": ["validate_check"],
              "position": "post", "conditions": ["result_value: false", "failcounter: > 3"],
              "when_unknown": "no_match", "server": "good", "options": ["realm: lab"],
              "mode": "sequence", "on_error": "next" },
        ])
    );
}
