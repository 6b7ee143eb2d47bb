//! What is tried behind every proxy.

mod access;
mod assertion;
mod grpc;
mod logs;
pub mod outage;
mod paths;
mod spoofing;
mod transport;

use crate::fronts::Front;
use crate::world::World;

/// One row of the table.
pub struct Case {
    /// What holds if it succeeds.
    pub name: &'static str,
    /// Tries it; a panic says that it does not hold.
    pub run: fn(&World, &Front),
}

const fn case(name: &'static str, run: fn(&World, &Front)) -> Case {
    Case { name, run }
}

/// The list, in the order of the page.
pub const CASES: &[Case] = &[
    case("A master's user reaches the application, with every export", access::allow),
    case("A session cookie alone is enough, until the session ends", access::session),
    case("A browser is sent to the portal with the way back; a program gets 401", access::login),
    case("A denial is a page for people and JSON for programs", access::denied),
    case("Unprotected paths pass with a session's exports, or with none", access::unprotected),
    case("Skipped paths pass without any identity", access::skipped),
    case(
        "Master headers from elsewhere are nobody's; a wrong secret is refused",
        access::wrong_master,
    ),
    case("An unknown host is refused", access::unknown_host),
    case("The signed assertion reaches the application, a forged one never", assertion::signed),
    case("A navigation gets its cookies, a line each", access::cookies_set),
    case("The application sees every cookie but the session's", access::cookies_passed),
    case("The portal's host offers no checks", access::portal_has_no_checks),
    case(
        "No spelling of an identity header, and no secret, reaches the application",
        spoofing::identity,
    ),
    case("What is said twice, by two masters or by two cookies, is refused", spoofing::twice),
    case("A client's word about its request or its address has no effect", spoofing::forwarded),
    case("Nothing a client sends is a parameter of the daemon", spoofing::parameters),
    case("Naming a header in Connection takes nothing from the application", spoofing::connection),
    case("No foreign origin is allowed to read", spoofing::origin),
    case("A disguised path does not reach what is denied", paths::disguised),
    case("Ordinary encodings reach the application as the same resource", paths::ordinary),
    case("Whatever path arrives is the one that was decided about", paths::canonical),
    case("A host is one host in every spelling", paths::hosts),
    case("Long headers pass; too many are refused", transport::long_headers),
    case("2 MB reach the application whole, or not at all", transport::upload),
    case("HEAD and OPTIONS are judged as themselves", transport::methods),
    case("A websocket opens for a session only", transport::websocket),
    case("An upgrade to HTTP/2 is not passed on", transport::h2c),
    case(
        "Two lengths, two hosts, folded lines: no second request and no second header",
        transport::framing,
    ),
    case("The front's log names the class of a refusal, and the user", logs::named),
    case(
        "A gRPC application: allowed with the exports, refused with a gRPC status",
        grpc::application,
    ),
];
