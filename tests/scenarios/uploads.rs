//! Large bodies: they are streamed to the application, and the check is over before one is read.

use super::applications::APPLICATIONS;
use super::support::client::Connection;
use super::*;

const UPLOADS: &str = "uploads.apps.example.com";

/// Below and above every default of nginx's, and above a socket's buffers.
const SIZES: [usize; 2] = [2 << 20, 30 << 20];

#[test]
fn a_large_upload_arrives_whole() {
    APPLICATIONS.behind_each(|front| {
        for size in SIZES {
            let request = Request::new("PUT", UPLOADS, "/file").headers(MASTER);
            let asked = allowed(&request.body(vec![b'x'; size]), front.address());
            assert_eq!(asked.body_bytes(), size as u64);
            assert_eq!(asked.all("Auth-User"), ["dwho"]);
        }
    });
}

#[test]
fn a_large_upload_is_refused_before_any_of_it_is_sent() {
    APPLICATIONS.behind_each(|front| {
        for size in SIZES {
            let marker = marker();
            let head = Request::new("PUT", UPLOADS, &format!("/file?{marker}"))
                .header("Content-Length", &size.to_string());
            let mut connection = Connection::open(front.address()).unwrap();
            connection.send(&head.bytes()).unwrap();
            let answer = connection.read(true).unwrap();
            assert_eq!(answer.status, 401, "{answer}");
            assert_eq!(answer.one("X-Vouchsafe-Reason"), Some("login"));
            assert!(!APPLICATIONS.app.saw(&marker));
        }
    });
}

#[test]
fn a_client_that_sends_the_whole_body_anyway_hears_the_refusal_too() {
    APPLICATIONS.behind_each(|front| {
        for size in SIZES {
            let marker = marker();
            let request = Request::new("PUT", UPLOADS, &format!("/file?{marker}"));
            refused(&request.body(vec![b'x'; size]), front.address(), 401, "login");
            assert!(!APPLICATIONS.app.saw(&marker));
        }
    });
}

#[test]
fn the_application_hears_of_an_upload_before_it_is_complete() {
    APPLICATIONS.behind_each(|front| {
        let marker = marker();
        let head = Request::new("PUT", UPLOADS, &format!("/file?{marker}"))
            .headers(MASTER)
            .header("Content-Length", "1000000");
        let mut connection = Connection::open(front.address()).unwrap();
        connection.send(&head.bytes()).unwrap();
        connection.send(&[b'x'; 1000]).unwrap();
        let arrived = || APPLICATIONS.app.saw(&marker).then_some(());
        support::wait_for("the application sees the beginning of an upload", arrived);
        connection.send(&vec![b'x'; 999_000]).unwrap();
        let answer = connection.read(true).unwrap();
        assert_eq!(Asked::from(&answer).unwrap().body_bytes(), 1_000_000);
    });
}
