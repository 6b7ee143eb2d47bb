//! Where no factor would help, nobody is sent to the form for one (issue 6, point 8).

use crate::person::Person;
use crate::support::daemon::replace;
use crate::world::{APP, PORTAL, UNREGULATED, WORLD, World, refused};

#[test]
fn a_level_that_no_factor_reaches_is_a_denial() {
    WORLD.behind_each(|front| {
        let dwho = Person::logged_in(front.address, "dwho");
        let answer = refused(&dwho.visit(APP, "/vault"), front.address, 403, "factor-needed");
        assert_eq!(answer.one("Location"), None, "{answer}");
        refused(&dwho.request("GET", APP, "/vault"), front.address, 403, "factor-needed");
    });
}

#[test]
fn a_cookie_that_can_be_read_on_the_wire_takes_no_factor() {
    let config = |config: String| replace(&config, "secured: 1,", "secured: 2,");
    let world = World::around(&["nginx 1.22", "Envoy 1.40 gRPC"], UNREGULATED, config);
    world.behind_each(|front| {
        let answer = crate::support::client::Request::new("POST", PORTAL, "/")
            .headers(&crate::world::about("dwho"))
            .header("Accept", "application/json")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("lmAuth=2_Slave")
            .from(crate::world::MASTER)
            .send(front.address);
        let id = answer.json()["id_http"].as_str().unwrap().to_owned();
        let visit = |target| {
            crate::support::client::Request::new("GET", APP, target)
                .headers(crate::world::NAVIGATION)
                .header("Cookie", &format!("vouchsafehttp={id}"))
                .from(crate::world::STRANGER)
        };
        crate::world::allowed(&visit("/page"), front.address);
        for target in ["/admin", "/fresh"] {
            let answer = refused(&visit(target), front.address, 403, "factor-needed");
            assert_eq!(answer.one("Location"), None, "{answer}");
        }
    });
}

#[test]
fn without_anybody_to_ask_there_is_no_form_and_nobody_is_sent_to_it() {
    let config = |config: String| {
        let (before, rest) = config.split_once("\nmfa:").unwrap();
        let after: Vec<_> = rest.lines().skip(1).skip_while(|line| line.starts_with(' ')).collect();
        let config = [before, "\n", &after.join("\n")].concat();
        replace(&config, "    factor_in_request: true\n", "")
    };
    let world = World::around(&["nginx 1.22", "Envoy 1.40 HTTP"], "", config);
    world.behind_each(|front| {
        let dwho = Person::logged_in(front.address, "dwho");
        for target in ["/admin", "/vault", "/fresh"] {
            let answer = refused(&dwho.visit(APP, target), front.address, 403, "factor-needed");
            assert_eq!(answer.one("Location"), None, "{answer}");
        }
        for target in ["/mfa", "/mfa/poll"] {
            assert_eq!(dwho.visit(PORTAL, target).send(front.address).status, 404, "{target}");
        }
    });
    assert_eq!(world.lab.asked().len(), 0);
}
