//! A real Prometheus scrapes the daemon, and its checker reads the text.

use super::support::prometheus::{Prometheus, complaints};
use super::*;

fn metrics() -> Answer {
    let admin = WORLD.daemon.admin;
    Request::new("GET", &admin.to_string(), "/metrics").send(admin)
}

#[test]
fn prometheus_scrapes_the_daemon() {
    WORLD.behind_each(|front| drop(allowed(&from_master("GET", "/page"), front)));
    let prometheus = Prometheus::start(WORLD.daemon.admin);
    let up = || prometheus.value("up").filter(|value| value == "1");
    support::wait_for("prometheus sees the daemon up", up);
    let count = prometheus.wait_for_value("count(%7B__name__%3D~%22vouchsafe_.%2B_total%22%7D)");
    assert_ne!(count, "0");
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    WORLD.behind_each(|front| drop(allowed(&from_master("GET", "/page"), front)));
    let answer = metrics();
    assert_eq!(answer.status, 200, "{answer}");
    assert!(answer.one("Content-Type").unwrap().starts_with("text/plain"), "{answer}");
    assert_eq!(complaints(&answer.body), "");
}

#[test]
fn metrics_name_no_user_host_or_path_of_a_request() {
    WORLD.behind_each(|front| drop(allowed(&from_master("GET", "/tell-tale-page"), front)));
    let text = String::from_utf8(metrics().body).unwrap();
    for trace in ["dwho", "tell-tale", "127.0.0.1", "password"] {
        assert!(!text.contains(trace), "{trace} in {text}");
    }
}

#[test]
fn the_public_listener_has_no_metrics_and_no_health() {
    WORLD.behind_each(|front| {
        for path in ["/metrics", "/livez", "/readyz"] {
            let own = Request::new("GET", PORTAL, path).send(WORLD.daemon.public);
            assert_eq!(own.status, 404, "{path}: {own}");
            assert_eq!(Request::new("GET", PORTAL, path).send(front).status, 404, "{path}");
        }
    });
}

#[test]
fn health_answers_on_the_admin_listener() {
    let admin = WORLD.daemon.admin;
    for path in ["/livez", "/readyz"] {
        let answer = Request::new("GET", &admin.to_string(), path).send(admin);
        assert_eq!(answer.status, 200, "{path}: {answer}");
    }
}
