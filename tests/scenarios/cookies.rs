//! Session cookies stop at the proxy; the application's own pass.

use super::*;

/// A value that must not arrive; the master's headers decide in these tests.
const SECRET: &str = "5ec2e7";

/// Sends the Cookie `lines` to each kind of location; the application must get `expected`.
#[track_caller]
fn arrives(lines: &[&str], expected: &str) {
    WORLD.behind_each(|front| {
        for path in ["/page", "/public/page", "/assets/page"] {
            let cookies: Vec<_> = lines.iter().map(|line| ("Cookie", *line)).collect();
            let asked = allowed(&from_master("GET", path).headers(&cookies), front);
            assert!(!asked.text().contains(SECRET), "{lines:?} gave {asked:?}");
            let got = asked.all("Cookie");
            let expected: &[&str] = if expected.is_empty() { &[] } else { &[expected] };
            assert_eq!(got, expected, "{lines:?} on {path}");
        }
    });
}

#[test]
fn a_session_cookie_alone_leaves_no_cookie_header() {
    arrives(&["vouchsafe=5ec2e7"], "");
    arrives(&["vouchsafehttp=5ec2e7"], "");
    arrives(&["__Host-vouchsafe=5ec2e7"], "");
}

#[test]
fn a_session_cookie_is_removed_wherever_it_stands() {
    arrives(&["vouchsafe=5ec2e7; a=1; b=2"], "a=1; b=2");
    arrives(&["a=1; vouchsafe=5ec2e7; b=2"], "a=1; b=2");
    arrives(&["a=1; b=2; vouchsafehttp=5ec2e7"], "a=1; b=2");
    arrives(&["a=1; __Host-vouchsafe=5ec2e7; b=2"], "a=1; b=2");
}

#[test]
fn a_session_cookie_is_removed_from_every_line() {
    arrives(&["a=1", "vouchsafe=5ec2e7", "b=2"], "a=1; b=2");
    arrives(&["vouchsafe=5ec2e7", "a=1; vouchsafehttp=5ec2e7"], "a=1");
}

#[test]
fn several_session_cookies_are_all_removed() {
    arrives(&["vouchsafe=5ec2e7; vouchsafe=5ec2e7"], "");
    arrives(&["vouchsafe=5ec2e7; a=1; vouchsafe=5ec2e7"], "a=1");
    let four =
        "vouchsafe=5ec2e7; a=1; vouchsafehttp=5ec2e7; vouchsafe=5ec2e7; b=2; vouchsafehttp=5ec2e7";
    arrives(&[four], "a=1; b=2");
    let each = "vouchsafe=5ec2e7; vouchsafehttp=5ec2e7; __Host-vouchsafe=5ec2e7; vouchsafe=5ec2e7";
    arrives(&[&format!("{each}; a=1; b=2")], "a=1; b=2");
    arrives(&[&format!("a=1; b=2; {each}")], "a=1; b=2");
    arrives(&[each], "");
}

#[test]
fn odd_blanks_do_not_hide_a_session_cookie() {
    arrives(&["a=1;vouchsafe=5ec2e7;b=2"], "a=1;b=2");
    arrives(&["a=1;  vouchsafe=5ec2e7; b=2"], "a=1; b=2");
    arrives(&["a=1; vouchsafe =5ec2e7; b=2"], "a=1; b=2");
    arrives(&["a=1;\tvouchsafe=5ec2e7; b=2"], "a=1; b=2");
    arrives(&["; ;vouchsafe=5ec2e7; b=2"], "b=2");
    arrives(&["vouchsafe=5ec2e7;"], "");
}

#[test]
fn more_session_cookies_than_the_maps_remove_cost_all_cookies() {
    let five = "a=1; vouchsafe=5ec2e7; vouchsafe=5ec2e7; vouchsafe=5ec2e7; vouchsafe=5ec2e7; vouchsafe=5ec2e7";
    arrives(&[five], "");
    arrives(&["a=1, vouchsafe=5ec2e7"], "");
}

#[test]
fn other_cookies_pass_untouched_even_with_similar_names() {
    let similar = "vouchsafe2=1; xvouchsafe=2; vouchsafehttps=3; __Host-app=4; a=vouchsafe";
    arrives(&[similar], similar);
    arrives(&[&format!("vouchsafe=5ec2e7; {similar}")], similar);
    arrives(&["a=\"x y\"; b=%3D; c==; d"], "a=\"x y\"; b=%3D; c==; d");
    arrives(&[], "");
    assert!(!similar.contains(SECRET));
}
