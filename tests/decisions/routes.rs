//! What an operator demands at a route of the proxy, and where a dialect finds addresses (SEMANTICS T2, T7).

use std::net::IpAddr;

use vouchsafe::domain::decision::{Decision, Reason};
use vouchsafe::domain::request::{Addresses, AuthRequest, RouteDemands};
use vouchsafe::edge::http::nginx;

use crate::installation::{Ask, Installation, MASTER, PROXY, STRANGER, at, exports};

/// Decides about `ask` as `change` has it.
async fn decide(
    here: &Installation,
    ask: &Ask,
    change: impl FnOnce(&mut AuthRequest<'_>),
) -> Decision {
    let (list, cookies) = (ask.list(), ask.cookie_lines());
    let mut request = nginx::ask(&list, &cookies, ask.from());
    change(&mut request);
    here.authority.decide(&request, at(0)).await
}

#[tokio::test]
async fn a_route_can_demand_a_level_and_never_ask_for_less() {
    let here = Installation::usual();
    let level = |level| {
        move |request: &mut AuthRequest<'_>| {
            request.demands = RouteDemands { application: None, level };
        }
    };
    let somebody = Ask::asserted("/page", "dwho");
    assert_eq!(decide(&here, &somebody, level(2)).await.reason(), Reason::Session);
    assert_eq!(decide(&here, &somebody, level(3)).await, Decision::Deny(Reason::LevelTooLow));
    // What is free for anybody is not where a level is demanded, and what is denied stays denied.
    let free = Ask::page("/public/x");
    assert_eq!(decide(&here, &free, level(0)).await.reason(), Reason::Unprotected);
    assert_eq!(decide(&here, &free, level(1)).await, Decision::Challenge(Reason::LoginRequired));
    let denied = Ask::asserted("/admin/x", "dwho");
    let refused = decide(&here, &denied, level(1)).await;
    assert!(matches!(refused, Decision::Deny(_)), "{refused:?}");
}

#[tokio::test]
async fn a_route_can_name_the_application_whatever_the_host() {
    let here = Installation::usual();
    let named = |name: &'static str| {
        move |request: &mut AuthRequest<'_>| {
            request.demands = RouteDemands { application: Some(name), level: 0 };
        }
    };
    let elsewhere = Ask::asserted("/page", "dwho").set("x-forwarded-host", "other.example.net");
    assert_eq!(here.reason(&elsewhere).await, Reason::UnknownHost);
    let decision = decide(&here, &elsewhere, named("wiki")).await;
    assert_eq!(exports(&decision)[0], "auth-user=dwho");
    let refused = decide(&here, &elsewhere, named("nothing")).await;
    assert_eq!(refused, Decision::Deny(Reason::UnknownApplication));
    // A host that is none is none all the same.
    let odd = Ask::asserted("/page", "dwho").set("x-forwarded-host", "a,b");
    assert_eq!(decide(&here, &odd, named("wiki")).await, Decision::Deny(Reason::MalformedHost));
}

#[tokio::test]
async fn what_a_peer_sends_along_counts_only_if_the_peer_is_a_trusted_proxy() {
    let here = Installation::usual();
    let source = |address: Option<&'static str>, forwarded: Option<&'static str>| {
        let address = address.map(|address| address.parse::<IpAddr>().unwrap());
        let forwarded = Ok(forwarded.map(str::as_bytes));
        move |request: &mut AuthRequest<'_>| {
            request.addresses = Addresses::Source { address, forwarded };
        }
    };
    let ask = Ask::asserted("/page", "dwho").without("x-forwarded-for");
    for (address, forwarded, expected) in [
        (Some(MASTER), None, Reason::Session),
        (Some(PROXY), Some(MASTER), Reason::Session),
        // A stranger claims to be the master, and the other way round.
        (Some(STRANGER), Some(MASTER), Reason::LoginRequired),
        (Some(MASTER), Some(STRANGER), Reason::Session),
        (Some(PROXY), Some(STRANGER), Reason::LoginRequired),
        (Some(PROXY), Some("nonsense"), Reason::MalformedForwardedFor),
        (Some(STRANGER), Some("nonsense"), Reason::LoginRequired),
        (None, Some(MASTER), Reason::NoClientAddress),
    ] {
        let decision = decide(&here, &ask, source(address, forwarded)).await;
        assert_eq!(decision.reason(), expected, "{address:?} {forwarded:?}");
    }
}
