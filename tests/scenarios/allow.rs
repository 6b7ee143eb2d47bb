//! What the application gets when a request is allowed.

use super::*;

#[test]
fn the_application_learns_the_identity_from_the_daemon_exactly_once() {
    WORLD.behind_each(|front| {
        let asked = allowed(&from_master("GET", "/page?q=1"), front);
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
        assert_eq!(asked.all("Auth-Mail"), ["dwho@example.com"]);
        assert_eq!(asked.all("Auth-Groups"), ["users;timelords"]);
        assert_eq!((asked.method(), asked.target()), ("GET", "/page?q=1"));
        assert_eq!(asked.all("Connection"), [""; 0], "the connection is kept");
    });
}

#[test]
fn attributes_larger_than_nginx_expects_by_default_still_pass() {
    WORLD.behind_each(|front| {
        let groups = ["timelords"; 300].join(";");
        let mail = format!("{}@example.com", "d".repeat(3000));
        let large = [("CN", "dwho"), ("control", "password"), ("User-Email", &mail)];
        let request = stranger("GET", "/page").headers(&large).header("Auth-Groups", &groups);
        let asked = allowed(&request, front);
        assert_eq!(asked.all("Auth-Groups"), [&groups]);
        assert_eq!(asked.all("Auth-Mail"), [&mail]);
    });
}

#[test]
fn an_attribute_that_the_master_does_not_send_is_no_header_at_all() {
    WORLD.behind_each(|front| {
        let request = stranger("GET", "/").headers(&[("CN", "rtyler"), ("control", "password")]);
        let asked = allowed(&request, front);
        assert_eq!(asked.all("Auth-User"), ["rtyler"]);
        assert_eq!(asked.all("Auth-Mail"), [""; 0]);
        assert_eq!(asked.all("Auth-Groups"), [""; 0]);
    });
}

#[test]
fn a_wildcard_host_is_the_same_application() {
    WORLD.behind_each(|front| {
        let request = Request::new("GET", "one.apps.example.com", "/").headers(MASTER);
        assert_eq!(allowed(&request, front).all("Auth-User"), ["dwho"]);
    });
}

#[test]
fn a_large_upload_reaches_the_application_whole() {
    WORLD.behind_each(|front| {
        let asked = allowed(&from_master("POST", "/upload").body(vec![b'x'; 2 << 20]), front);
        assert_eq!((asked.method(), asked.body_bytes()), ("POST", 2 << 20));
        assert_eq!(asked.all("Auth-User"), ["dwho"]);
    });
}

#[test]
fn a_chunked_upload_reaches_the_application_whole() {
    WORLD.behind_each(|front| {
        let head = from_master("POST", "/upload").header("Transfer-Encoding", "chunked").bytes();
        let answer =
            support::client::exchange(front, &[&head[..], b"5\r\nhello\r\n0\r\n\r\n"].concat());
        let asked = Asked::from(&answer.unwrap()).expect("the application's answer");
        assert_eq!(asked.body_bytes(), 5);
    });
}

#[test]
fn head_and_options_are_asked_and_passed_as_themselves() {
    WORLD.behind_each(|front| {
        let head = from_master("HEAD", "/page").send(front);
        assert_eq!((head.status, head.one("X-Echo")), (200, Some("1")), "{head}");
        assert_eq!(allowed(&from_master("OPTIONS", "/page"), front).method(), "OPTIONS");
        assert_eq!(stranger("HEAD", "/page").send(front).status, 401);
        refused(&stranger("OPTIONS", "/page"), front, 401, "login");
    });
}

#[test]
fn free_paths_need_no_identity_and_carry_none() {
    WORLD.behind_each(|front| {
        for target in ["/public/page", "/assets/logo.png"] {
            let asked = allowed(&stranger("GET", target), front);
            assert!(asked.names().iter().all(|name| !name.starts_with("auth-")), "{asked:?}");
        }
    });
}

#[test]
fn an_allowed_path_below_a_denied_one_depends_on_the_method() {
    WORLD.behind_each(|front| {
        assert_eq!(allowed(&from_master("GET", "/admin/users"), front).target(), "/admin/users");
        refused(&from_master("POST", "/admin/users").body("x"), front, 403, "forbidden");
        refused(&from_master("DELETE", "/admin"), front, 403, "forbidden");
    });
}
