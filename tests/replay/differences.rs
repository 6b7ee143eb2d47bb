//! Where Vouchsafe answers otherwise than LemonLDAP::NG on purpose, each with the rule that demands it.
//!
//! The table of docs/semantics.md is made of it. A row says exactly what Vouchsafe answers instead, so that
//! "otherwise" is not "anything".

use std::fmt;

/// The value of an aspect that is not there.
pub const ABSENT: &str = "absent";
/// The aspect of a configuration that is refused at load; then there is no other.
pub const CONFIGURATION: &str = "configuration";

/// An aspect of an answer, and its value.
pub type Aspect = (&'static str, &'static str);

/// One deliberate difference.
pub struct Difference {
    /// The rule of docs/semantics.md.
    pub rule: &'static str,
    /// The recordings that show it. `*` is any text, `?` any character.
    pub recordings: &'static [&'static str],
    /// What LemonLDAP::NG does.
    pub reference: &'static str,
    /// What Vouchsafe does.
    pub vouchsafe: &'static str,
    /// What Vouchsafe answers, where that is not what was recorded.
    pub instead: &'static [&'static [Aspect]],
}

impl Difference {
    /// Whether it speaks about the recording called `name`.
    pub fn is_about(&self, name: &str) -> bool {
        self.recordings.iter().any(|pattern| matches(pattern, name))
    }

    /// What Vouchsafe answers.
    pub fn aspects(&self) -> impl Iterator<Item = Aspect> {
        self.instead.iter().flat_map(|part| part.iter().copied())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, recordings, reference, vouchsafe, .. } = self;
        let recordings = recordings.join(" ");
        write!(f, "{rule} ({recordings}): LemonLDAP::NG {reference}; Vouchsafe {vouchsafe}")
    }
}

/// Whether `name` has the form of `pattern`, in which `*` is any text and `?` any character.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('*') => (0..=name.len())
            .any(|at| name.get(at..).is_some_and(|tail| matches(rest.as_str(), tail))),
        Some(wanted) => {
            let mut tail = name.chars();
            let first = tail.next();
            first.is_some_and(|c| wanted == '?' || wanted == c)
                && matches(rest.as_str(), tail.as_str())
        }
    }
}

// === Answers that several rows have ===

const MAIN_COOKIE: Aspect =
    ("cookie lemonldap", "set; Domain=example.com; HttpOnly; Path=/; SameSite=Lax; Secure");
const HTTP_COOKIE: Aspect =
    ("cookie lemonldaphttp", "set; Domain=example.com; HttpOnly; Path=/; SameSite=Lax");
const MAIN_DELETED: Aspect =
    ("cookie lemonldap", "deleted; Domain=example.com; HttpOnly; Path=/; SameSite=Lax; Secure");
const HTTP_DELETED: Aspect =
    ("cookie lemonldaphttp", "deleted; Domain=example.com; HttpOnly; Path=/; SameSite=Lax");
const SSO: Aspect = ("www-authenticate", "SSO https://auth.example.com:19876/");

/// A refused login.
const REFUSED: &[Aspect] = &[("status", "401"), ("result", "0"), SSO];
const NO_SESSION: &[Aspect] = &[
    ("id", ABSENT),
    ("id_http", ABSENT),
    ("cookie lemonldap", ABSENT),
    ("cookie lemonldaphttp", ABSENT),
];
/// An answer with result 1.
const GRANTED: &[Aspect] =
    &[("status", "200"), ("result", "1"), ("error", "0"), ("www-authenticate", ABSENT)];
const NEW_SESSION: &[Aspect] =
    &[("id", "64 hex digits"), ("id_http", "64 hex digits"), MAIN_COOKIE, HTTP_COOKIE];

/// A request that does not get to its application.
const KEPT_OUT: &[Aspect] =
    &[("status", "403"), ("application", ABSENT), ("application host", ABSENT)];
/// Whom nobody names.
const UNNAMED: &[Aspect] = &[
    ("export auth-b64", ABSENT),
    ("export auth-groups", ABSENT),
    ("export auth-ip", ABSENT),
    ("export auth-level", ABSENT),
    ("export auth-mail", ABSENT),
    ("export auth-static", ABSENT),
    ("export auth-upn", ABSENT),
    ("export auth-user", ABSENT),
];

const FORBIDDEN: &[Aspect] = &[("error", "75")];
const FIRST_ACCESS: &[Aspect] = &[("error", "9")];

#[rustfmt::skip]
pub const DIFFERENCES: &[Difference] = &[
    // T: trust
    Difference {
        rule: "T5",
        recordings: &["ip_regex_*"],
        reference: "searches the client's address as a pattern in the text of all addresses",
        vouchsafe: "compares addresses as numbers: error 75",
        instead: &[REFUSED, FORBIDDEN, NO_SESSION],
    },
    Difference {
        rule: "T5",
        recordings: &["ip_cidr_member"],
        reference: "knows no networks before 2.20",
        vouchsafe: "lets in every address of the network",
        instead: &[GRANTED, NEW_SESSION],
    },
    Difference {
        rule: "T5",
        recordings: &["ip6_conf_unnorm", "ip6_conf_mapped_v6", "v22?_ip__ffff_*"],
        reference: "knows an address only in one spelling",
        vouchsafe: "knows every spelling of IPv6 and folds mapped IPv4",
        instead: &[GRANTED, NEW_SESSION],
    },
    Difference {
        rule: "T5",
        recordings: &["ip_comma", "ip_semicolon", "v22?_ip_127_*", "v22?_ip_203_0_113_7_24__*", "v22?_ip_203_0_113__*", "v22?_ip_bogus__*", "v223_ip_203_0_113_1_203_*"],
        reference: "ignores items that are no addresses when somebody logs in (`;`, host bits, ranges, names)",
        vouchsafe: "refuses them at load",
        instead: &[&[(CONFIGURATION, "refused at slaveMasterIP")]],
    },
    Difference {
        rule: "T6",
        recordings: &["ctl_conf_nocontent"],
        reference: "does not check the control header when its content is empty",
        vouchsafe: "refuses half a pair at load",
        instead: &[&[(CONFIGURATION, "refused at slaveHeaderContent")]],
    },
    Difference {
        rule: "T6",
        recordings: &["ctl_conf_noname"],
        reference: "does not check the control header when its name is empty",
        vouchsafe: "refuses half a pair at load",
        instead: &[&[(CONFIGURATION, "refused at slaveHeaderName")]],
    },

    Difference {
        rule: "T2",
        recordings: &["fa_nosession"],
        reference: "does not read X-Forwarded-Proto and X-Forwarded-Port of a proxy with forward authentication",
        vouchsafe: "sends back to the scheme that the proxy reports",
        instead: &[&[("location", "https://auth.example.com:19876/?url=base64(https://test1.example.com/foo?x=1)")]],
    },
    Difference {
        rule: "T2",
        recordings: &["h_???_redir_https443"],
        reference: "can be told that everything is https",
        vouchsafe: "sends back to the scheme that the proxy reports",
        instead: &[&[("location", "https://auth.example.com:19876/?url=base64(http://test1.example.com/p?q=1)")]],
    },
    Difference {
        rule: "T3",
        recordings: &["fa_ip"],
        reference: "takes the proxy with forward authentication for the client",
        vouchsafe: "takes the address that the proxy reports",
        instead: &[&[
            ("status", "200"),
            ("export auth-b64", "ZHdobw=="),
            ("export auth-groups", "mailers; timelords"),
            ("export auth-ip", "127.0.0.1"),
            ("export auth-level", "2"),
            ("export auth-mail", "dwho@badwolf.org"),
            ("export auth-static", "static"),
            ("export auth-upn", "dwho@example.com"),
            ("export auth-user", "dwho"),
        ]],
    },

    // M: master headers
    Difference {
        rule: "M1",
        recordings: &["h_raw_public_spoof"],
        reference: "takes `Auth_User` for no header of the master's, or for the same one",
        vouchsafe: "refuses a look-alike of a master's header from a master's address",
        instead: &[&[("status", "403")]],
    },
    Difference {
        rule: "M2",
        recordings: &["h_???_ip_yes"],
        reference: "exports the address of each request",
        vouchsafe: "exports the address that was recorded at the login",
        instead: &[&[("export auth-ip", "127.0.0.1")]],
    },
    Difference {
        rule: "M4",
        recordings: &["h_raw_whattotrace_missing"],
        reference: "never stores the variables that the slave backend is told to export, so what asks for them is empty",
        vouchsafe: "stores them",
        instead: &[&[
            ("export auth-groups", "mailers; timelords"),
            ("export auth-mail", "dwho@badwolf.org"),
            ("export auth-user", "dwho"),
        ]],
    },
    Difference {
        rule: "M1",
        recordings: &["slave_ctl_dup", "v223_seed_dup"],
        reference: "takes the last of two control headers",
        vouchsafe: "refuses a header that stands twice: error 75",
        instead: &[REFUSED, FORBIDDEN, NO_SESSION],
    },
    Difference {
        rule: "M3",
        recordings: &["slave_ctl_regex_*", "v22?_ctl_dotstar", "ctl_meta_bang2"],
        reference: "uses the received control header as a pattern: `.*` and a part of the secret pass, `(` is a 500",
        vouchsafe: "compares it byte by byte: error 75",
        instead: &[REFUSED, FORBIDDEN, NO_SESSION],
    },
    Difference {
        rule: "M3",
        recordings: &["slave_login_zero"],
        reference: "takes the login `0` for a missing one",
        vouchsafe: "logs it in",
        instead: &[GRANTED, NEW_SESSION],
    },
    Difference {
        rule: "M3",
        recordings: &["conf_no_userheader"],
        reference: "starts without a login header and answers error 4 to every login",
        vouchsafe: "refuses the configuration",
        instead: &[&[(CONFIGURATION, "refused at slaveUserHeader")]],
    },
    Difference {
        rule: "M3",
        recordings: &["usercontrol_open_latin1"],
        reference: "logs in bytes that are no UTF-8 where the pattern lets them, and stores what it cannot read",
        vouchsafe: "takes them for malformed whatever the pattern: error 40",
        instead: &[REFUSED, &[("error", "40")], NO_SESSION],
    },

    // S: sessions and cookies
    Difference {
        rule: "S1",
        recordings: &["v223_otheruser"],
        reference: "keeps the session of the cookie's user",
        vouchsafe: "opens a session for the user whom the master asserts, and ends the other",
        instead: &[NEW_SESSION],
    },
    Difference {
        rule: "S5",
        recordings: &["cookie_two"],
        reference: "looks at the first of two cookies only",
        vouchsafe: "uses the one that is a session",
        instead: &[GRANTED, &[("cookie lemonldap", ABSENT)]],
    },
    Difference {
        rule: "S6",
        recordings: &["auth_cookie_http", "secured3_plain_http"],
        reference: "takes the http cookie at the portal over plain HTTP",
        vouchsafe: "never takes it at the portal: error 9",
        instead: &[REFUSED, FIRST_ACCESS],
    },
    Difference {
        rule: "S6",
        recordings: &["auth_cookie_httpid_in_main_name_tls", "v223_httpid_as_main"],
        reference: "takes the id of the http cookie for the secure one",
        vouchsafe: "does not know it under that name, and deletes the cookie: error 1",
        instead: &[REFUSED, &[("error", "1"), MAIN_DELETED]],
    },
    Difference {
        rule: "S6",
        recordings: &["secured3_login"],
        reference: "encrypts the session's id as `id_http` in mode 3",
        vouchsafe: "gives out a random id of its own",
        instead: &[&[("id_http", "64 hex digits")]],
    },
    Difference {
        rule: "S6",
        recordings: &["secured3_sessions"],
        reference: "keeps nothing but the session in mode 3, as `id_http` is its id in another form",
        vouchsafe: "keeps a second record that leads from the random id to the session",
        instead: &[&[("sessions", "2")]],
    },
    Difference {
        rule: "S6",
        recordings: &["logout_a*"],
        reference: "deletes the http cookie on logout only if there was a session",
        vouchsafe: "deletes both cookies on every logout",
        instead: &[&[HTTP_DELETED]],
    },
    Difference {
        rule: "S6",
        recordings: &["cookie_domain_empty"],
        reference: "does not run without a cookie domain",
        vouchsafe: "sets host-only cookies, the secure one with the prefix `__Host-`",
        instead: &[&[
            ("status", "200"),
            ("result", "1"),
            ("error", "0"),
            ("id", "64 hex digits"),
            ("id_http", "64 hex digits"),
            ("cookie __Host-lemonldap", "set; HttpOnly; Path=/; SameSite=Lax; Secure"),
            ("cookie lemonldaphttp", "set; HttpOnly; Path=/; SameSite=Lax"),
        ]],
    },
    Difference {
        rule: "S6",
        recordings: &["h_???_sc2_tls_httpid_as_main"],
        reference: "takes the id of the http cookie for the secure one",
        vouchsafe: "does not know it under that name",
        instead: &[&[("status", "401"), SSO, ("application", ABSENT), ("application host", ABSENT)], UNNAMED],
    },
    Difference {
        rule: "S7",
        recordings: &["cookie_opts_none"],
        reference: "can set cookies with an age, without HttpOnly, and SameSite=None without Secure",
        vouchsafe: "sets HttpOnly always, an age never, and Lax for None where there is no Secure",
        instead: &[&[
            ("cookie lemonldap", "set; Domain=example.com; HttpOnly; Path=/; SameSite=None; Secure"),
            HTTP_COOKIE,
        ]],
    },
    Difference {
        rule: "S7",
        recordings: &["cookie_domain_other"],
        reference: "sets cookies for a domain that the portal is not in; browsers drop them",
        vouchsafe: "refuses the configuration",
        instead: &[&[(CONFIGURATION, "refused at domain")]],
    },

    Difference {
        rule: "S9",
        recordings: &["h_???_leak_after"],
        reference: "remembers in the session that a level was too low, and asks for it where a rule denies",
        vouchsafe: "changes nothing by being asked: denies",
        instead: &[&[("status", "403"), ("location", ABSENT)]],
    },

    // D: answers
    Difference {
        rule: "D2",
        recordings: &["h_???_maint", "h_???_maint_ns", "h_app_maint_noredirect"],
        reference: "sends to a page of the portal, or lets nginx make 500 of its 503",
        vouchsafe: "answers 503",
        instead: &[&[("status", "503"), ("location", ABSENT)]],
    },
    Difference {
        rule: "D2",
        recordings: &["h_???_portal_noslash"],
        reference: "writes the portal's URL as it was configured, without a path if it has none",
        vouchsafe: "writes it with its path",
        instead: &[&[("location", "https://auth.example.com:19876/?url=base64(http://test1.example.com/p)")]],
    },
    Difference {
        rule: "D2",
        recordings: &["h_app_tls_nosession"],
        reference: "writes the portal's URL as it was configured, without a path if it has none",
        vouchsafe: "writes it with its path",
        instead: &[&[("location", "https://auth.example.com:19876/?url=base64(https://test1.example.com/x)")]],
    },
    Difference {
        rule: "D3",
        recordings: &["v223_h_lua_skip_spoof9", "h_app_lua_skip_spoof9"],
        reference: "passes on what the client sent as an export where its fifteen slots do not suffice",
        vouchsafe: "passes on none",
        instead: &[&[("export auth-ip", ABSENT), ("export auth-missing", ABSENT)]],
    },
    Difference {
        rule: "D3",
        recordings: &["v223_h_raw_newline", "h_raw_utf8_header"],
        reference: "writes a line break in a value as a line break, so a value adds headers",
        vouchsafe: "does not send such a value, and writes every export once and nothing else",
        instead: &[&[("export x-inject", ABSENT), ("export auth-nl", ABSENT)]],
    },
    Difference {
        rule: "D3",
        recordings: &["h_app_lua_20headers"],
        reference: "loses exports beyond the fifteen slots of its snippet for nginx, others each time",
        vouchsafe: "sends all",
        instead: &[&[
            ("export x-h02", "v2"),
            ("export x-h03", "v3"),
            ("export x-h08", "v8"),
            ("export x-h15", "v15"),
            ("export x-h19", "v19"),
        ]],
    },
    Difference {
        rule: "D3",
        recordings: &["h_app_lua_20headers_spoof"],
        reference: "passes on what the client sent instead of exports beyond the fifteen slots",
        vouchsafe: "sends all",
        instead: &[&[
            ("export x-h05", "v5"),
            ("export x-h09", "v9"),
            ("export x-h12", "v12"),
            ("export x-h13", "v13"),
            ("export x-h16", "v16"),
        ]],
    },
    Difference {
        rule: "D4",
        recordings: &[
            "v22?_h_json_ns", "v22?_h_raw_ns", "h_app_badcookie*", "h_???_corrupt_session", "h_???_deny_nosession", "h_???_die_ns",
            "h_app_host_port", "h_app_level5_nosession", "h_???_maybeskip_closed", "h_app_nosession_json", "h_raw_nosession_post",
            "h_app_sc2_plain_main", "h_???_sc3_plain_main", "h_???_sc?_tls_http", "h_???_sc3_tls_httpid_as_main",
        ],
        reference: "sends programs to the portal like browsers",
        vouchsafe: "answers them 401 with WWW-Authenticate",
        instead: &[&[("status", "401"), SSO, ("location", ABSENT)]],
    },

    // P: portal
    Difference {
        rule: "P1",
        recordings: &[
            "slave_*_html", "choice_none_html", "cookie_*_html", "nochoice_forbidden_html", "nochoice_missing_html",
            "url_clear", "url_foreign", "url_js", "url_missing_login", "url_xss", "v223_nologin_html",
        ],
        reference: "answers browsers 200, whatever the page says",
        vouchsafe: "answers them 401 with the page, and the header that a 401 must have",
        instead: &[&[("status", "401"), SSO]],
    },
    Difference {
        rule: "P1",
        recordings: &["url_already_auth_foreign"],
        reference: "answers browsers 200, whatever the page says",
        vouchsafe: "answers those with a session 400 with the page",
        instead: &[&[("status", "400")]],
    },
    Difference {
        rule: "P1",
        recordings: &["logout_again", "logout_anon_json"],
        reference: "answers a logout without a session 401, and yet error 47",
        vouchsafe: "answers every logout 200 and result 1",
        instead: &[&[("status", "200"), ("result", "1"), ("www-authenticate", ABSENT)]],
    },
    Difference {
        rule: "P1",
        recordings: &["method_put"],
        reference: "writes a text into `error`",
        vouchsafe: "writes a number, as always: error 24",
        instead: &[&[("result", "0"), ("error", "24")]],
    },
    Difference {
        rule: "P3",
        recordings: &["url_crlf"],
        reference: "takes line breaks out of a return URL and goes there",
        vouchsafe: "refuses control bytes: error 37",
        instead: &[&[
            ("status", "401"),
            SSO,
            ("page", "error 37"),
            ("location", ABSENT),
            ("cookie lemonldap", ABSENT),
            ("cookie lemonldaphttp", ABSENT),
        ]],
    },
    Difference {
        rule: "P3",
        recordings: &["url_already_auth_json", "url_missing_login"],
        reference: "keeps the return URL in a cookie of its own",
        vouchsafe: "carries it on in `url=` only",
        instead: &[&[("cookie lemonldappdata", ABSENT)]],
    },
    Difference {
        rule: "P3",
        recordings: &["v223_h_returnurl_hash"],
        reference: "sends back to the decoded path: `%23` becomes the start of a fragment",
        vouchsafe: "sends back to the path as it was asked for",
        instead: &[&[("location", "https://auth.example.com:19876/?url=base64(http://test1.example.com/file%23a?x=1)")]],
    },
    Difference {
        rule: "P3",
        recordings: &["v223_h_returnurl_q"],
        reference: "sends back to the decoded path: `%3F` becomes the start of a query",
        vouchsafe: "sends back to the path as it was asked for",
        instead: &[&[("location", "https://auth.example.com:19876/?url=base64(http://test1.example.com/a%3Fb)")]],
    },
    Difference {
        rule: "P3",
        recordings: &["v223_h_returnurl_pct", "h_app_returnurl_pct"],
        reference: "sends back to the decoded path: `%25` becomes a percent sign, which is no URL",
        vouchsafe: "sends back to the path as it was asked for",
        instead: &[&[("location", "https://auth.example.com:19876/?url=base64(http://test1.example.com/100%25)")]],
    },
    Difference {
        rule: "P3",
        recordings: &["h_app_returnurl_dslash"],
        reference: "sends back to the path with single slashes",
        vouchsafe: "sends back to the path as it was asked for",
        instead: &[&[("location", "https://auth.example.com:19876/?url=base64(http://test1.example.com//evil.test/x)")]],
    },
    Difference {
        rule: "P4",
        recordings: &["*"],
        reference: "lets scripts of every site read the portal's answers (CORS)",
        vouchsafe: "sends no CORS headers",
        instead: &[&[("cors", ABSENT)]],
    },

    // R: rules and targets
    Difference {
        rule: "R1",
        recordings: &["h_???_level5", "h_???_level5_json", "h_???_leak_cause", "h_app_vhostlevel", "v22?_h_level5"],
        reference: "sends to a page of the portal that raises the level",
        vouchsafe: "denies, as no factor can be checked in this version",
        instead: &[&[("status", "403"), ("location", ABSENT), ("www-authenticate", ABSENT)]],
    },
    Difference {
        rule: "R1",
        recordings: &["h_???_logout_sso", "h_???_logout_sso_url", "h_???_logout_ns"],
        reference: "sends through the portal's logout to a URL, and those without a session to the login",
        vouchsafe: "sends everybody to the portal's logout, and not on",
        instead: &[&[("location", "https://auth.example.com:19876/logout")]],
    },
    Difference {
        rule: "R1",
        recordings: &["h_???_maybeskip_open_a"],
        reference: "sends a session's exports where a condition skips",
        vouchsafe: "sends nobody's name where a rule skips",
        instead: &[UNNAMED],
    },
    Difference {
        rule: "R1",
        recordings: &["h_???_query_no", "h_???_query_enc"],
        reference: "searches path and query as one text, the query as it is written",
        vouchsafe: "searches paths; of a pattern about a query the import makes a rule that denies such a path with any query",
        instead: &[KEPT_OUT, UNNAMED],
    },
    Difference {
        rule: "R2",
        recordings: &["v223_h_returnurl_slash"],
        reference: "takes `%2F` for `/`",
        vouchsafe: "refuses paths that can be read in two ways",
        instead: &[&[("status", "403"), ("location", ABSENT)]],
    },
    Difference {
        rule: "R2",
        recordings: &["h_???_double_enc", "h_???_semicolon"],
        reference: "passes on what is encoded twice, and path parameters",
        vouchsafe: "refuses paths that can be read in two ways",
        instead: &[KEPT_OUT, UNNAMED],
    },
    Difference {
        rule: "R2",
        recordings: &["h_raw_enc_null"],
        reference: "leaves encoded control bytes to nginx, which answers 400",
        vouchsafe: "refuses them itself",
        instead: &[&[("status", "403")]],
    },
    Difference {
        rule: "R2",
        recordings: &["h_app_returnurl_crlf"],
        reference: "asks to log in before it looks at encoded line breaks",
        vouchsafe: "refuses control bytes before any rule",
        instead: &[&[("status", "403"), ("location", ABSENT)]],
    },
    Difference {
        rule: "R3",
        recordings: &["h_app_host_dot", "h_app_host_upper"],
        reference: "is passed by nginx with the host as it was written",
        vouchsafe: "knows one spelling of a host, and so does the shipped nginx",
        instead: &[&[("application host", "test1.example.com")]],
    },
    Difference {
        rule: "R3",
        recordings: &["h_???_host_unknown_ns"],
        reference: "asks to log in for hosts that it does not know, and refuses to lead back to them",
        vouchsafe: "denies them",
        instead: &[&[("status", "403"), ("location", ABSENT)]],
    },
    Difference {
        rule: "R4",
        recordings: &["h_app_brokenrule"],
        reference: "closes a whole host for one rule that is no Perl",
        vouchsafe: "denies what that rule is about; the import says so",
        instead: &[&[
            ("status", "200"),
            ("location", ABSENT),
            ("application", "GET /ok"),
            ("application host", "test5.example.com"),
        ]],
    },
    Difference {
        rule: "R4",
        recordings: &["h_raw_brokenrule"],
        reference: "closes a whole host for one rule that is no Perl",
        vouchsafe: "denies what that rule is about; the import says so",
        instead: &[&[("status", "200"), ("location", ABSENT)]],
    },
    Difference {
        rule: "R4",
        recordings: &["h_???_ua"],
        reference: "has rules about headers that clients send",
        vouchsafe: "has none: an imported one denies",
        instead: &[KEPT_OUT, UNNAMED],
    },
];
