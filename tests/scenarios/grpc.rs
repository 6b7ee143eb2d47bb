//! The gRPC listener, asked by a client of Envoy's own protocol: what is said, and what is survived.

use std::collections::HashMap;

use envoy_types::ext_authz::v3::pb::{CheckRequest, CheckResponse, HeaderValue, HttpResponse};
use envoy_types::pb::envoy::config::core::v3::{Address, HeaderMap, SocketAddress, address};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Peer, Request as Part,
};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::google::protobuf::value::Kind;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::support::grpc_application::run;

/// A daemon with a gRPC listener, and where that is.
pub struct Here {
    pub daemon: Daemon,
    pub grpc: SocketAddr,
}

impl Here {
    pub fn start() -> Self {
        Self::start_with(|config| config)
    }

    /// With the shipped configuration as `change` returns it.
    pub fn start_with(change: impl FnOnce(String) -> String) -> Self {
        let grpc = support::free_address();
        let daemon = Daemon::start_with(|config| {
            change(replace(&config, "listen:\n", &format!("listen:\n  grpc: {grpc}\n")))
        });
        Self { daemon, grpc }
    }

    /// Asks where no answer is an expected outcome, a refused connection for instance.
    pub fn try_ask(&self, asked: &Asked) -> Result<CheckResponse, Box<dyn std::error::Error>> {
        let address = format!("http://{}", self.grpc);
        run(async {
            let mut client = AuthorizationClient::connect(address).await?;
            Ok(client.check(asked.request()).await?.into_inner())
        })
    }

    pub fn check(
        &self,
        request: impl tonic::IntoRequest<CheckRequest>,
    ) -> Result<CheckResponse, Status> {
        let address = format!("http://{}", self.grpc);
        run(async {
            let mut client = AuthorizationClient::connect(address).await.unwrap();
            client.check(request).await.map(tonic::Response::into_inner)
        })
    }

    /// Asks about a `GET`, and checks what must hold of every answer.
    #[track_caller]
    pub fn ask(&self, asked: &Asked) -> CheckResponse {
        let answer = self.check(asked.request()).unwrap();
        let code = answer.status.as_ref().expect("an answer without a status is a yes").code;
        let fits = match answer.http_response.as_ref().unwrap() {
            HttpResponse::OkResponse(_) => code == Code::Ok as i32,
            HttpResponse::DeniedResponse(_) => code != Code::Ok as i32,
            HttpResponse::ErrorResponse(_) => code == Code::Unavailable as i32,
        };
        assert!(fits, "{answer:?}");
        answer
    }
}

/// A question, usually about a `GET` of `https://app.example.com`.
#[derive(Clone)]
pub struct Asked {
    pub method: String,
    pub scheme: String,
    pub host: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub source: &'static str,
    pub extensions: HashMap<String, String>,
    /// Whether the headers come apart and raw, or joined by their names.
    pub raw: bool,
}

impl Asked {
    pub fn about(path: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            scheme: "https".to_owned(),
            host: APP.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            source: "127.0.0.1",
            extensions: HashMap::new(),
            raw: true,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    pub fn headers(self, lines: &[(&str, &str)]) -> Self {
        lines.iter().fold(self, |asked, (name, value)| asked.header(name, value))
    }

    fn extension(mut self, name: &str, value: &str) -> Self {
        self.extensions.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn request(&self) -> CheckRequest {
        let mut http = HttpRequest {
            method: self.method.clone(),
            path: self.path.clone(),
            host: self.host.clone(),
            scheme: self.scheme.clone(),
            ..HttpRequest::default()
        };
        if self.raw {
            let raw = |(name, value): &(String, String)| HeaderValue {
                key: name.clone(),
                raw_value: value.clone().into_bytes(),
                ..HeaderValue::default()
            };
            http.header_map = Some(HeaderMap { headers: self.headers.iter().map(raw).collect() });
        } else {
            http.headers = self.headers.iter().cloned().collect();
        }
        let socket = SocketAddress { address: self.source.to_owned(), ..SocketAddress::default() };
        let address = Address { address: Some(address::Address::SocketAddress(socket)) };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(Peer { address: Some(address), ..Peer::default() }),
                request: Some(Part { http: Some(http), ..Part::default() }),
                context_extensions: self.extensions.clone(),
                ..AttributeContext::default()
            }),
        }
    }
}

/// Status, code and class of an answer.
pub fn told(answer: &CheckResponse) -> (i32, Code, String) {
    let status = match answer.http_response.as_ref().unwrap() {
        HttpResponse::OkResponse(_) => 200,
        HttpResponse::DeniedResponse(said) | HttpResponse::ErrorResponse(said) => {
            said.status.as_ref().unwrap().code
        }
    };
    let metadata = answer.dynamic_metadata.as_ref().unwrap();
    let Some(Kind::StringValue(class)) = &metadata.fields["class"].kind else { panic!("no class") };
    (status, Code::from(answer.status.as_ref().unwrap().code), class.clone())
}

/// The headers that go on to the application, and those that are removed.
#[track_caller]
pub fn sent_on(answer: &CheckResponse) -> (HashMap<String, String>, Vec<String>) {
    let Some(HttpResponse::OkResponse(ok)) = &answer.http_response else { panic!("{answer:?}") };
    let set = ok.headers.iter().map(|option| {
        let header = option.header.as_ref().unwrap();
        assert!(header.raw_value.is_empty(), "Envoy reads an empty value: {header:?}");
        (header.key.clone(), header.value.clone())
    });
    (set.collect(), ok.headers_to_remove.clone())
}

#[test]
fn whoever_the_master_names_is_allowed_whether_headers_come_raw_or_joined() {
    let here = Here::start();
    for raw in [true, false] {
        let asked = Asked { raw, ..Asked::about("/page?x=1") }.headers(MASTER);
        let answer = here.ask(&asked.header("cookie", "a=1; vouchsafe=x; b=2"));
        assert_eq!(told(&answer), (200, Code::Ok, "allowed".to_owned()));
        let (set, removed) = sent_on(&answer);
        assert_eq!((&*set["auth-user"], &*set["auth-mail"]), ("dwho", "dwho@example.com"));
        assert_eq!(set["cookie"], "a=1; b=2");
        for header in ["control", "cn", "user-email", "x-otp", "x-vouchsafe-user"] {
            assert!(removed.iter().any(|name| name == header), "{header} in {removed:?}");
        }
        assert!(!removed.iter().any(|name| set.contains_key(name)), "{removed:?} {set:?}");
        let fields = &answer.dynamic_metadata.as_ref().unwrap().fields;
        assert_eq!(fields["user"].kind, Some(Kind::StringValue("dwho".to_owned())));
        assert_eq!(fields["level"].kind, Some(Kind::NumberValue(2.0)));
    }
}

#[test]
fn each_decision_is_said_with_the_status_and_the_part_that_fit() {
    let here = Here::start();
    let page = Asked::about("/page");
    for (asked, expected) in [
        (page.clone(), (401, Code::Unauthenticated, "login")),
        (page.clone().headers(NAVIGATION), (302, Code::Unauthenticated, "login")),
        (
            page.clone().headers(&[("CN", "dwho"), ("control", "x")]),
            (403, Code::PermissionDenied, "master-refused"),
        ),
        (
            page.clone().headers(MASTER).header("CN", "root"),
            (403, Code::PermissionDenied, "bad-request"),
        ),
        (Asked::about("/public/../admin"), (403, Code::PermissionDenied, "bad-request")),
        (Asked::about("/public/x"), (200, Code::Ok, "allowed")),
        (Asked::about("/assets/x"), (200, Code::Ok, "allowed")),
        (page.clone().headers(MASTER).extension("level", "2"), (200, Code::Ok, "allowed")),
        (
            page.clone().headers(MASTER).extension("level", "3"),
            (401, Code::Unauthenticated, "factor-needed"),
        ),
        (
            page.clone().headers(MASTER).extension("level", "x"),
            (403, Code::PermissionDenied, "factor-needed"),
        ),
        (page.clone().headers(MASTER).extension("application", "wiki"), (200, Code::Ok, "allowed")),
        (
            page.clone().headers(MASTER).extension("application", "?"),
            (403, Code::PermissionDenied, "forbidden"),
        ),
        (
            Asked { source: "203.0.113.9", ..page.clone() }.headers(MASTER),
            (401, Code::Unauthenticated, "login"),
        ),
        (
            Asked { source: "nonsense", ..page.clone() }.headers(MASTER),
            (403, Code::PermissionDenied, "bad-request"),
        ),
    ] {
        let answer = here.ask(&asked);
        let (status, code, class) = told(&answer);
        assert_eq!((status, code, &*class), expected, "{} {:?}", asked.path, asked.headers);
    }
    let redirect = here.ask(&page.headers(NAVIGATION));
    let Some(HttpResponse::DeniedResponse(said)) = redirect.http_response else { panic!() };
    let location = said
        .headers
        .iter()
        .find_map(|option| option.header.as_ref().filter(|header| header.key == "location"));
    let back = journeys::with_return("https://app.example.com/page");
    assert_eq!(location.unwrap().value, format!("https://auth.example.com/?{back}"));
}

#[test]
fn a_navigation_from_the_master_gets_both_cookies() {
    let here = Here::start();
    let answer = here.ask(&Asked::about("/page").headers(NAVIGATION).headers(MASTER));
    let Some(HttpResponse::OkResponse(ok)) = answer.http_response else { panic!() };
    let cookies = ok.response_headers_to_add.iter().map(|option| option.header.as_ref().unwrap());
    let names: Vec<_> = cookies.map(|cookie| cookie.value.split('=').next().unwrap()).collect();
    assert_eq!(names, ["vouchsafe", "vouchsafehttp"]);
}

#[test]
fn messages_that_make_no_sense_are_denied_and_survived() {
    let here = Here::start();
    for request in [
        CheckRequest::default(),
        CheckRequest { attributes: Some(AttributeContext::default()) },
        CheckRequest {
            attributes: Some(AttributeContext {
                request: Some(Part { http: Some(HttpRequest::default()), ..Part::default() }),
                ..AttributeContext::default()
            }),
        },
    ] {
        let answer = here.check(request).unwrap();
        assert_eq!(told(&answer), (403, Code::PermissionDenied, "bad-request".to_owned()));
    }
    let huge = Asked::about("/page").header("x", &"x".repeat(4 << 20));
    let refused = here.check(huge.request()).unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
    // Bytes that are no HTTP/2 at all.
    for garbage in [&b"\x00\xff\x00\xff"[..], b"GET / HTTP/1.1\r\n\r\n", &[0x16; 4096]] {
        let _ = support::client::exchange(here.grpc, garbage);
    }
    let answer = here.ask(&Asked::about("/page").headers(MASTER));
    assert_eq!(told(&answer).0, 200);
    let check = Request::new("GET", "x", "/readyz").send(here.daemon.admin);
    assert_eq!(check.status, 200, "{check}");
}

#[test]
fn envoys_health_checks_are_answered() {
    let here = Here::start();
    let address = format!("http://{}", here.grpc);
    let status = run(async {
        let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        let mut client = HealthClient::new(channel);
        client.check(HealthCheckRequest::default()).await.unwrap().into_inner().status
    });
    assert_eq!(status, tonic_health::ServingStatus::Serving as i32);
    assert_eq!(here.daemon.terminate(), Some(0), "{}", here.daemon.log());
}

#[test]
fn a_stop_with_a_grpc_listener_still_lets_http_requests_finish() {
    let here = Here::start();
    let body = "lmAuth=2_Slave";
    let login = Request::new("POST", PORTAL, "/")
        .headers(&[("CN", "dwho"), ("control", "password"), ("Accept", "application/json")])
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body);
    let bytes = login.bytes();
    let (head, rest) = bytes.split_at(bytes.len() - 4);
    let mut connection = support::client::Connection::open(here.daemon.public).unwrap();
    connection.send(head).unwrap();
    // Until the daemon has read the head, a stop would close the connection as an idle one.
    std::thread::sleep(std::time::Duration::from_millis(200));
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| here.daemon.terminate());
        let stopping = || here.daemon.log().contains("stopping").then_some(());
        support::wait_for("the daemon has begun to stop", stopping);
        // Long enough for the gRPC listener, which has nothing to finish, to be gone.
        std::thread::sleep(std::time::Duration::from_millis(500));
        connection.send(rest).unwrap();
        let answer = connection.read(true).unwrap();
        assert_eq!((answer.status, &answer.json()["result"]), (200, &1.into()), "{answer}");
        // An open connection would be waited for.
        drop(connection);
        assert_eq!(ended.join().unwrap(), Some(0));
    });
}
