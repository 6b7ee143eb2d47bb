//! The nginx of a replay: the shipped `nginx/example.conf` with the shipped snippets, and all that differs.

use std::net::SocketAddr;

use crate::support::daemon::replace;

/// The shipped files, changed as their comments tell for another cookie name and more exports. Besides:
/// - two ports instead of one. On `tls` nginx reports https, as where TLS ends in front of it.
/// - the client's address is what the recordings say in X-Test-Client-IP.
pub fn changed(file: &str, text: String, tls: SocketAddr, exports: &[String]) -> String {
    match file {
        "example.conf" => {
            let more = format!(
                "include snippets/maps.conf;\n    \
                 map $server_port $replayed_scheme {{ default http; {} https; }}\n    \
                 set_real_ip_from 127.0.0.1;\n    \
                 real_ip_header X-Test-Client-IP;",
                tls.port()
            );
            let text = replace(&text, "include snippets/maps.conf;", &more);
            let (first, second) =
                ("listen 127.0.0.1:8080 default_server;", "listen 127.0.0.1:8080; ");
            let text = replace(&text, first, &format!("{first} listen {tls} default_server;"));
            let text = replace(&text, second, &format!("{second} listen {tls}; "));
            with_scheme(&text)
        }
        "auth.conf" => {
            let exports = more_exports(exports, |_, name| {
                format!("auth_request_set $replayed_{name} $upstream_http_{name};\n")
            });
            [with_scheme(&text), exports].concat()
        }
        "to_app.conf" => {
            let exports = more_exports(exports, |header, name| {
                format!("proxy_set_header {header} $replayed_{name};\n")
            });
            [with_scheme(&text), exports].concat()
        }
        "maps.conf" => replace(&text, "vouchsafe(?:http)?", "lemonldap(?:http)?"),
        _ => text,
    }
}

/// A line for each export that the shipped files do not have, given its header and its name as a variable.
fn more_exports(exports: &[String], line: impl Fn(&str, &str) -> String) -> String {
    let shipped = ["Auth-User", "Auth-Mail", "Auth-Groups"];
    let headers = exports.iter().map(String::as_str);
    headers
        .filter(|header| !shipped.contains(header))
        .map(|header| line(header, &header.to_lowercase().replace('-', "_")))
        .collect()
}

/// Reports the scheme of the port.
fn with_scheme(text: &str) -> String {
    let line = text.lines().find(|line| line.contains(" X-Forwarded-Proto ")).unwrap();
    replace(text, line, &line.replace("$scheme", "$replayed_scheme"))
}
