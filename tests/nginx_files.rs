//! What belongs together in the files below `nginx/` stands together: they say some things more than once,
//! because nginx makes them.

use std::collections::BTreeSet;
use std::path::Path;

fn snippet(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx/snippets");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// What `directive` sets in a file: names, lower case, and values.
fn set_by(directive: &str, file: &str) -> BTreeSet<(String, String)> {
    let text = snippet(file);
    let lines = text.lines().filter_map(|line| {
        let rest = line.trim().strip_prefix(directive)?;
        let (rest, _) = rest.split_once(';')?;
        let (name, value) = rest.trim().split_once(' ')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    });
    lines.collect()
}

/// The headers that a master sends, as the file for applications removes them: that file's own list.
fn masters_headers() -> Vec<String> {
    let text = snippet("to_app.conf");
    let (_, list) = text.split_once("# The master's headers end here").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("proxy_set_header "));
    names.filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect()
}

#[test]
fn an_application_gets_the_same_headers_over_grpc() {
    let over_grpc = set_by("grpc_set_header", "grpc_to_app.conf");
    // gRPC needs neither, and nginx sends neither there.
    let own = ["connection", "upgrade"];
    let over_http: BTreeSet<_> = set_by("proxy_set_header", "to_app.conf")
        .into_iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .collect();
    assert!(over_http.len() > 30, "{over_http:?}");
    assert_eq!(over_grpc, over_http);
}

/// SEMANTICS D5: what decides is in the key, and what may stand twice there is asked again.
#[test]
fn every_header_of_a_master_is_in_the_key_of_a_remembered_check() {
    let (cached, maps) = (snippet("auth_cached.conf"), snippet("maps.conf"));
    let line = |text: &str, begin: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with(begin));
        lines.next().unwrap_or_else(|| panic!("no line begins with {begin}")).to_owned()
    };
    let key = line(&cached, "proxy_cache_key ");
    let doubled = line(&maps, "map \"$vouchsafe_cache_blind");
    let mut names = masters_headers();
    assert!(names.iter().any(|name| name == "control"), "{names:?}");
    names.extend(["Auth-Groups", "Authorization", "X-OTP"].map(str::to_owned));
    for name in names {
        let variable = format!("$http_{}", name.to_lowercase().replace('-', "_"));
        for text in [&key, &doubled] {
            let end = text.split(&variable).nth(1).and_then(|rest| rest.chars().next());
            assert!(end.is_some_and(|c| !c.is_alphanumeric() && c != '_'), "{variable} in {text}");
        }
    }
    let others = [
        "$scheme\\n",
        "$host$vouchsafe_port\\n",
        "$request_method\\n",
        "$request_uri\\n",
        "$proxy_add_x_forwarded_for\\n",
        "$http_cookie\\n",
    ];
    for part in others {
        assert!(key.contains(part), "{part} in {key}");
    }
}

#[test]
fn the_check_for_requests_with_a_factor_is_the_usual_one_but_for_its_patience() {
    let directives = |file: &str, location: &str| -> BTreeSet<String> {
        let text = snippet(file);
        let (_, check) = text.split_once(&format!("location = {location} {{")).unwrap();
        let (check, _) = check.split_once("\n}\n").unwrap();
        let lines = check.lines().map(|line| line.split('#').next().unwrap_or_default());
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        lines.map(words).filter(|line| !line.is_empty()).collect()
    };
    let usual = directives("auth.conf", "/_vouchsafe");
    let patient = directives("auth_factor.conf", "/_vouchsafe_factor");
    assert!(usual.len() > 30, "{usual:?}");
    let only_usual: Vec<_> = usual.difference(&patient).collect();
    let expected = [
        "proxy_cache $vouchsafe_cache;",
        "proxy_next_upstream error timeout;",
        "proxy_next_upstream_timeout 4s;",
        "proxy_next_upstream_tries 2;",
        "proxy_read_timeout 3s;",
    ];
    assert_eq!(only_usual, expected);
    let only_patient: Vec<_> = patient.difference(&usual).collect();
    assert_eq!(
        only_patient,
        ["proxy_cache off;", "proxy_next_upstream off;", "proxy_read_timeout 10s;"]
    );
}

#[test]
fn every_file_is_included_by_a_whole_configuration() {
    let nginx = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx");
    let whole = ["example.conf", "applications.conf"]
        .map(|file| std::fs::read_to_string(nginx.join(file)).unwrap())
        .concat();
    for entry in std::fs::read_dir(nginx.join("snippets")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(whole.contains(&format!("include snippets/{name};")), "{name}");
    }
}
