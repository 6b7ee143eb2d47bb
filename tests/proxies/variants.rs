//! What the shipped files of Envoy offer in comments: other ways to ask, demands of a route, a proxy in front.

use crate::asking::{allowed, from_master, refused, stranger};
use crate::cases::CASES;
use crate::fronts::envoy;
use crate::support::daemon::replace;
use crate::world::World;

const HTTP: &str = "Envoy 1.40 HTTP";
const GRPC: &str = "Envoy 1.40 gRPC";

#[test]
fn envoy_may_ask_with_a_prefix_to_the_path() {
    let world = World::around("127.0.0.1", &[HTTP], |name, backends| {
        envoy::start_with(name, backends, |text| {
            replace(&text, "path_override: /auth/envoy-override", "path_prefix: /auth/envoy")
        })
    });
    for case in CASES {
        (case.run)(&world, &world.fronts[0]);
    }
}

#[test]
fn a_route_of_envoy_may_demand_a_level() {
    let world = World::around("127.0.0.1", &[GRPC], |name, backends| {
        envoy::start_with(name, backends, |text| {
            let in_route = |line: &str| line.trim_start().starts_with('#');
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let vault = lines.iter().position(|line| line.contains("/vault")).unwrap();
            for line in lines.iter_mut().skip(vault).take_while(|line| in_route(line)) {
                *line = line.replace('#', "");
            }
            lines.join("\n")
        })
    });
    let front = &world.fronts[0];
    allowed(front, &from_master("GET", "/page"));
    refused(front, &from_master("GET", "/vault/x"), 403, "factor-needed");
    refused(front, &stranger("GET", "/vault"), 401, "login");
    allowed(front, &from_master("GET", "/vaults"));
}

/// What the lines marked EDGE say: the load balancer in front is a trusted proxy, and so is Envoy's own address,
/// which Envoy writes for clients on loopback.
#[test]
fn envoy_may_stand_behind_another_trusted_proxy() {
    let own = std::process::Command::new("hostname").arg("-I").output().unwrap().stdout;
    let proxies = format!("127.0.0.1 {}", String::from_utf8(own).unwrap().trim());
    let world = World::around(&format!("{proxies:?}"), &[HTTP, GRPC], |name, backends| {
        envoy::start_with(name, backends, |text| {
            let is_kept = |line: &&str| !line.ends_with("# EDGE: remove this line");
            text.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect()
        })
    });
    let balancer = "127.0.0.1".parse().unwrap();
    for front in &world.fronts {
        let through = |chain: &str| {
            from_master("GET", "/page").header("X-Forwarded-For", chain).from(balancer)
        };
        assert_eq!(allowed(front, &through("127.0.0.9")).all("Auth-User"), ["dwho"]);
        // Only the right end counts, and a client's word about itself never does.
        refused(front, &through("127.0.0.9, 127.0.0.8"), 401, "login");
        refused(
            front,
            &stranger("GET", "/page").header("X-Forwarded-For", "127.0.0.9"),
            401,
            "login",
        );
    }
}
