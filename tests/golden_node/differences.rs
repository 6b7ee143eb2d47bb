//! Where our node and federation answer otherwise than eduMFA on purpose, each with the rule that demands it.
//!
//! A table of docs/semantics.md is made of it. A row says exactly what is answered instead of what, so that
//! "otherwise" is not "anything".

use std::fmt;

use crate::aspects::ABSENT;

/// An aspect of an answer, what was recorded, and what Vouchsafe answers.
pub type Instead = (&'static str, &'static str, &'static str);

/// One deliberate difference.
pub struct Difference {
    /// The rule of docs/semantics.md.
    pub rule: &'static str,
    /// The recordings that show it; `*` is any text.
    pub recordings: &'static [&'static str],
    /// What eduMFA does.
    pub edumfa: &'static str,
    /// What Vouchsafe does.
    pub vouchsafe: &'static str,
    /// What is answered where the recording says so.
    pub instead: &'static [Instead],
}

impl Difference {
    /// Whether it speaks about the recording called `name`.
    pub fn is_about(&self, name: &str) -> bool {
        self.recordings.iter().any(|pattern| matches(pattern, name))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, recordings, edumfa, vouchsafe, .. } = self;
        write!(f, "{rule} ({}): eduMFA {edumfa}; Vouchsafe {vouchsafe}", recordings.join(" "))
    }
}

/// Whether `name` has the form of `pattern`, in which `*` is any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|at| rest.get(at..).is_some_and(|rest| matches(after, rest)))
        }),
    }
}

/// What eduMFA says when it fails.
const INTERNAL: &str = "500 Internal Server Error: The server encountered an internal error and was unable to \
    complete your request. Either the server is overloaded or there is an error in the application.";
/// What we say when nobody can tell.
const UNAVAILABLE: &str = "The request cannot be answered now.";

#[rustfmt::skip]
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        rule: "F1",
        recordings: &["check_serial_otponly_ok"],
        edumfa: "leaves out serial, type or length of the one token in some answers",
        vouchsafe: "tells them always; without a serial a success is no factor",
        instead: &[
            ("message", ABSENT, ""),
            ("otplen", ABSENT, "6"),
            ("serial", ABSENT, "C-HOTP-FREE"),
            ("type", ABSENT, "hotp"),
        ],
    },
    Difference {
        rule: "F1",
        recordings: &["check_serial_otponly_fail", "check_serial_otponly_with_pin"],
        edumfa: "leaves out serial, type or length of the one token in some answers",
        vouchsafe: "tells them always; without a serial a success is no factor",
        instead: &[
            ("otplen", ABSENT, "6"),
            ("serial", ABSENT, "C-HOTP-FREE"),
            ("type", ABSENT, "hotp"),
        ],
    },
    Difference {
        rule: "F1",
        recordings: &["challenge_answer_ok", "challenge_answer_state_param", "fed_challenge_answer_child"],
        edumfa: "leaves out serial, type or length of the one token in some answers",
        vouchsafe: "tells them always; without a serial a success is no factor",
        instead: &[
            ("otplen", ABSENT, "6"),
            ("type", ABSENT, "hotp"),
        ],
    },
    Difference {
        rule: "F1",
        recordings: &["challenge_answer_wrong"],
        edumfa: "leaves out serial, type or length of the one token in some answers",
        vouchsafe: "tells them always; without a serial a success is no factor",
        instead: &[
            ("otplen", ABSENT, "6"),
        ],
    },
    Difference {
        rule: "F1",
        recordings: &["samlcheck_fail"],
        edumfa: "says ACCEPT to every samlcheck",
        vouchsafe: "says what `auth` says",
        instead: &[
            ("authentication", "ACCEPT", "REJECT"),
        ],
    },
    Difference {
        rule: "F1",
        recordings: &["fed_samlcheck_local_ok_forwarded"],
        edumfa: "takes its own acceptance of a samlcheck for a refusal, and asks the child",
        vouchsafe: "knows it by `auth`, and asks nobody",
        instead: &[
            ("attributes", "{}", "{\"cryptpass\":\"x\",\"description\":\"Carol Example,room,+491232,,carol@example.test\",\"email\":\"carol@example.test\",\"givenname\":\"Carol\",\"mobile\":\"+491232\",\"phone\":\"\",\"realm\":\"prealm\",\"resolver\":\"ppasswd\",\"surname\":\"Example\",\"userid\":\"1002\",\"username\":\"carol\"}"),
            ("auth", "false", "true"),
            ("child is asked", "carol", ABSENT),
            ("message", "wrong otp pin", "matching 1 tokens"),
            ("origin", "http://127.0.0.1:19902/validate/samlcheck", ABSENT),
            ("otplen", ABSENT, "6"),
            ("serial", ABSENT, "P-SPASS-CAROL"),
            ("type", ABSENT, "spass"),
        ],
    },
    Difference {
        rule: "F2",
        recordings: &["fed_pre_ignored"],
        edumfa: "asks a handler at `pre` and throws its answer away",
        vouchsafe: "lets it count",
        instead: &[
            ("authentication", "REJECT", "ACCEPT"),
            ("message", "wrong otp pin", "matching 1 tokens"),
            ("origin", ABSENT, "http://127.0.0.1:19902/validate/check"),
            ("otplen", ABSENT, "6"),
            ("serial", ABSENT, "C-SPASS-CAROL"),
            ("type", ABSENT, "spass"),
            ("value", "false", "true"),
        ],
    },
    Difference {
        rule: "F3",
        recordings: &["fed_user_unknown_at_parent"],
        edumfa: "asks no handler about a user or serial that it does not know itself",
        vouchsafe: "asks them",
        instead: &[
            ("HTTP", "400", "200"),
            ("authentication", ABSENT, "ACCEPT"),
            ("child is asked", ABSENT, "conly"),
            ("error", "904", ABSENT),
            ("error message", "ERR904: User <conly@prealm> does not exist.", ABSENT),
            ("message", ABSENT, "matching 1 tokens"),
            ("origin", ABSENT, "http://127.0.0.1:19902/validate/check"),
            ("otplen", ABSENT, "6"),
            ("result.status", "false", "true"),
            ("serial", ABSENT, "C-HOTP-CONLY"),
            ("type", ABSENT, "hotp"),
            ("value", ABSENT, "true"),
        ],
    },
    Difference {
        rule: "F3",
        recordings: &["fed_serial_unknown_at_parent"],
        edumfa: "asks no handler about a user or serial that it does not know itself",
        vouchsafe: "asks them",
        instead: &[
            ("HTTP", "404", "200"),
            ("authentication", ABSENT, "ACCEPT"),
            ("error", "601", ABSENT),
            ("error message", "The requested token could not be found.", ABSENT),
            ("message", ABSENT, "matching 1 tokens"),
            ("origin", ABSENT, "http://127.0.0.1:19902/validate/check"),
            ("otplen", ABSENT, "6"),
            ("result.status", "false", "true"),
            ("serial", ABSENT, "C-HOTP-FREE"),
            ("type", ABSENT, "hotp"),
            ("value", ABSENT, "true"),
        ],
    },
    Difference {
        rule: "F3",
        recordings: &["fed_opt_realm_user_at"],
        edumfa: "forwards `user@realm` as it is even where a handler sets another realm",
        vouchsafe: "cuts a realm that it knows off the name",
        instead: &[
            ("HTTP", "500", "200"),
            ("authentication", ABSENT, "ACCEPT"),
            ("child is asked", "alice@prealm realm=crealm2", "alice realm=crealm2"),
            ("error", "-500", ABSENT),
            ("error message", INTERNAL, ABSENT),
            ("message", ABSENT, "matching 1 tokens"),
            ("origin", ABSENT, "http://127.0.0.1:19902/validate/check"),
            ("otplen", ABSENT, "6"),
            ("result.status", "false", "true"),
            ("serial", ABSENT, "C2-HOTP-ALICE"),
            ("type", ABSENT, "hotp"),
            ("value", ABSENT, "true"),
        ],
    },
    Difference {
        rule: "F3",
        recordings: &["fed_special_json_fail"],
        edumfa: "forwards a form, off which the child takes one layer of percent signs too many",
        vouchsafe: "forwards JSON, so that every secret arrives as it was read",
        instead: &[
            ("authentication", "REJECT", "ACCEPT"),
            ("message", "wrong otp pin", "matching 1 tokens"),
            ("otplen", ABSENT, "6"),
            ("serial", ABSENT, "C-SPASS-SPEC"),
            ("type", ABSENT, "spass"),
            ("value", "false", "true"),
        ],
    },
    Difference {
        rule: "F3",
        recordings: &["fed_special_form_thrice_ok"],
        edumfa: "needs clients that quote once more than for a direct question",
        vouchsafe: "forwards JSON, so that every secret arrives as it was read",
        instead: &[
            ("authentication", "ACCEPT", "REJECT"),
            ("message", "matching 1 tokens", "wrong otp pin"),
            ("otplen", "6", ABSENT),
            ("serial", "C-SPASS-SPEC", ABSENT),
            ("type", "spass", ABSENT),
            ("value", "true", "false"),
        ],
    },
    Difference {
        rule: "F4",
        recordings: &["fed_child_redirect302"],
        edumfa: "follows redirects with the secret",
        vouchsafe: "follows none: nothing is known, 500",
        instead: &[
            ("HTTP", "200", "500"),
            ("authentication", "ACCEPT", ABSENT),
            ("error", ABSENT, "-500"),
            ("error message", ABSENT, UNAVAILABLE),
            ("message", "fake child", ABSENT),
            ("origin", "http://127.0.0.1:19903/redirect302/validate/check", ABSENT),
            ("result.status", "true", "false"),
            ("serial", "FAKE1", ABSENT),
            ("type", "hotp", ABSENT),
            ("value", "true", ABSENT),
        ],
    },
    Difference {
        rule: "F4",
        recordings: &["fed_child_redirect307"],
        edumfa: "follows redirects with the secret",
        vouchsafe: "follows none: nothing is known, 500",
        instead: &[
            ("HTTP", "200", "500"),
            ("authentication", "ACCEPT", ABSENT),
            ("error", ABSENT, "-500"),
            ("error message", ABSENT, UNAVAILABLE),
            ("message", "fake child", ABSENT),
            ("origin", "http://127.0.0.1:19903/redirect307/validate/check", ABSENT),
            ("result.status", "true", "false"),
            ("serial", "FAKE1", ABSENT),
            ("type", "hotp", ABSENT),
            ("value", "true", ABSENT),
        ],
    },
    Difference {
        rule: "F4",
        recordings: &["fed_child_slow75"],
        edumfa: "waits without end",
        vouchsafe: "gives up after the server's timeout: 500",
        instead: &[
            ("HTTP", "200", "500"),
            ("authentication", "ACCEPT", ABSENT),
            ("error", ABSENT, "-500"),
            ("error message", ABSENT, UNAVAILABLE),
            ("message", "fake child", ABSENT),
            ("origin", "http://127.0.0.1:19903/slow75/validate/check", ABSENT),
            ("result.status", "true", "false"),
            ("serial", "FAKE1", ABSENT),
            ("type", "hotp", ABSENT),
            ("value", "true", ABSENT),
        ],
    },
    Difference {
        rule: "F4",
        recordings: &["fed_child_status500ok"],
        edumfa: "hands on what comes with a 500",
        vouchsafe: "knows nothing after a 500",
        instead: &[
            ("authentication", "ACCEPT", ABSENT),
            ("error", ABSENT, "-500"),
            ("error message", ABSENT, UNAVAILABLE),
            ("message", "fake child", ABSENT),
            ("origin", "http://127.0.0.1:19903/status500ok/validate/check", ABSENT),
            ("result.status", "true", "false"),
            ("serial", "FAKE1", ABSENT),
            ("type", "hotp", ABSENT),
            ("value", "true", ABSENT),
        ],
    },
    Difference {
        rule: "F4",
        recordings: &["fed_child_json401detail"],
        edumfa: "hands on an error that says nothing about the secret",
        vouchsafe: "knows nothing after it: 500",
        instead: &[
            ("HTTP", "401", "500"),
            ("error", "4031", "-500"),
            ("error message", "Wrong", UNAVAILABLE),
            ("origin", "http://127.0.0.1:19903/json401detail/validate/check", ABSENT),
        ],
    },
    Difference {
        rule: "F4",
        recordings: &["fed_two_ordering"],
        edumfa: "asks the next handler after a child's policy refused",
        vouchsafe: "ends the walk there",
        instead: &[
            ("HTTP", "200", "403"),
            ("authentication", "ACCEPT", ABSENT),
            ("error", ABSENT, "303"),
            ("error message", ABSENT, "denied"),
            ("message", "fake child", ABSENT),
            ("origin", "http://127.0.0.1:19903/ok/validate/check", ABSENT),
            ("result.status", "true", "false"),
            ("serial", "FAKE1", ABSENT),
            ("type", "hotp", ABSENT),
            ("value", "true", ABSENT),
        ],
    },
    Difference {
        rule: "F4",
        recordings: &["fed_child_close", "fed_child_dns", "fed_child_empty204", "fed_child_html200", "fed_child_html502", "fed_child_list", "fed_child_noresult", "fed_child_string"],
        edumfa: "says that something is wrong in the application when a child does not answer",
        vouchsafe: "says that nobody can tell now",
        instead: &[
            ("error message", INTERNAL, UNAVAILABLE),
        ],
    },
    Difference {
        rule: "F5",
        recordings: &["fed_parent_locked_out"],
        edumfa: "counts a failure for each login that a child accepts, and locks the user's own token",
        vouchsafe: "gives such failures back",
        instead: &[
            ("authentication", "REJECT", "ACCEPT"),
            ("child is asked", "alice", ABSENT),
            ("message", "wrong otp pin", "matching 1 tokens"),
            ("origin", "http://127.0.0.1:19902/validate/check", ABSENT),
            ("otplen", ABSENT, "6"),
            ("serial", ABSENT, "P-HOTP-ALICE"),
            ("type", ABSENT, "hotp"),
            ("value", "false", "true"),
        ],
    },
    Difference {
        rule: "F6",
        recordings: &["fed_challenge_trigger_parent_forwarded"],
        edumfa: "forwards although it has made a challenge itself, and the child's refusal replaces that",
        vouchsafe: "keeps its challenge and asks nobody",
        instead: &[
            ("authentication", "REJECT", "CHALLENGE"),
            ("challenges", ABSENT, "P-HOTP-FRANK,hotp,interactive,please enter otp: "),
            ("child is asked", "frank", ABSENT),
            ("client_mode", ABSENT, "interactive"),
            ("message", "wrong otp pin", "please enter otp: "),
            ("messages", ABSENT, "[\"please enter otp: \"]"),
            ("origin", "http://127.0.0.1:19902/validate/check", ABSENT),
            ("preferred_client_mode", ABSENT, "interactive"),
            ("serial", ABSENT, "P-HOTP-FRANK"),
            ("type", ABSENT, "hotp"),
        ],
    },
    Difference {
        rule: "F6",
        recordings: &["fed_poll_not_forwarded"],
        edumfa: "does not know the challenge that it handed on from a child",
        vouchsafe: "asks the node that made it",
        instead: &[
            ("origin", ABSENT, "http://127.0.0.1:19902/validate/polltransaction"),
        ],
    },
    Difference {
        rule: "F6",
        recordings: &["fed_poll_forwarded"],
        edumfa: "forwards polls for challenges that it does not know",
        vouchsafe: "sends them nowhere",
        instead: &[
            ("child is asked", "", ABSENT),
            ("origin", "http://127.0.0.1:19902/validate/polltransaction", ABSENT),
        ],
    },
    Difference {
        rule: "F7",
        recordings: &["fed_chain_origin"],
        edumfa: "writes the child over the origin that a child tells",
        vouchsafe: "keeps it",
        instead: &[
            ("origin", "http://127.0.0.1:19902/validate/check", "http://127.0.0.1:19903/ok/validate/check"),
        ],
    },
    Difference {
        rule: "F8",
        recordings: &["fed_loop"],
        edumfa: "blocks for good when servers forward to each other",
        vouchsafe: "knows nothing of a question that came through it before, so the child's own answer counts",
        instead: &[
            ("HTTP", "none", "200"),
            ("authentication", ABSENT, "REJECT"),
            ("child is asked", ABSENT, "carol"),
            ("detail", ABSENT, "object"),
            ("message", ABSENT, "wrong otp pin"),
            ("origin", ABSENT, "http://127.0.0.1:19902/validate/check"),
            ("result.status", ABSENT, "true"),
            ("value", ABSENT, "false"),
        ],
    },
    Difference {
        rule: "F9",
        recordings: &["fed_client_param_passed_without_option"],
        edumfa: "forwards whatever a caller says is the client",
        vouchsafe: "sends a client's address only where the handler says so",
        instead: &[
            ("child is asked", "carol client=203.0.113.66", "carol"),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["check_serial_otponly_disabled"],
        edumfa: "takes `otponly` for leave to use a disabled token",
        vouchsafe: "skips the PIN only",
        instead: &[
            ("authentication", "ACCEPT", "REJECT"),
            ("message", ABSENT, "OTP verification failed."),
            ("otplen", ABSENT, "6"),
            ("serial", ABSENT, "C-HOTP-IVAN"),
            ("type", ABSENT, "hotp"),
            ("value", "true", "false"),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["check_bad_json", "check_json_array"],
        edumfa: "fails on a body that it cannot read: 500",
        vouchsafe: "answers 400",
        instead: &[
            ("HTTP", "500", "400"),
            ("error", "-500", "905"),
            ("error message", INTERNAL, "ERR905: The body cannot be read."),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["check_json_number_pass"],
        edumfa: "fails on a body that it cannot read: 500",
        vouchsafe: "answers 400",
        instead: &[
            ("HTTP", "500", "400"),
            ("error", "-500", "905"),
            ("error message", INTERNAL, "ERR905: A parameter has no usable value."),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["fed_user_at_realm", "fed_realm_param_passed"],
        edumfa: "fails when a child does not know the user: 500",
        vouchsafe: "takes it for what it is, and its own refusal counts",
        instead: &[
            ("HTTP", "500", "200"),
            ("authentication", ABSENT, "REJECT"),
            ("error", "-500", ABSENT),
            ("error message", INTERNAL, ABSENT),
            ("message", ABSENT, "wrong otp pin"),
            ("result.status", "false", "true"),
            ("value", ABSENT, "false"),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["fed_user_unknown_at_child"],
        edumfa: "fails when a child does not know the user: 500",
        vouchsafe: "takes it for what it is, and its own refusal counts",
        instead: &[
            ("HTTP", "500", "200"),
            ("authentication", ABSENT, "REJECT"),
            ("error", "-500", ABSENT),
            ("error message", INTERNAL, ABSENT),
            ("message", ABSENT, "The user has no tokens assigned"),
            ("result.status", "false", "true"),
            ("value", ABSENT, "false"),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["fed_two_first_unknown_user"],
        edumfa: "fails when a child does not know the user: 500",
        vouchsafe: "asks the next one",
        instead: &[
            ("HTTP", "500", "200"),
            ("authentication", ABSENT, "ACCEPT"),
            ("error", "-500", ABSENT),
            ("error message", INTERNAL, ABSENT),
            ("message", ABSENT, "fake child"),
            ("origin", ABSENT, "http://127.0.0.1:19903/ok/validate/check"),
            ("result.status", "false", "true"),
            ("serial", ABSENT, "FAKE1"),
            ("type", ABSENT, "hotp"),
            ("value", ABSENT, "true"),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["fed_radiuscheck_child_ok"],
        edumfa: "fails on what a child answers to radiuscheck: 500",
        vouchsafe: "answers 204 or 400 as the child says",
        instead: &[
            ("HTTP", "500", "204"),
            ("detail", "null", ABSENT),
            ("error", "-500", ABSENT),
            ("error message", INTERNAL, ABSENT),
            ("result.status", "false", ABSENT),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["fed_radiuscheck_child_reject"],
        edumfa: "fails on what a child answers to radiuscheck: 500",
        vouchsafe: "answers 204 or 400 as the child says",
        instead: &[
            ("HTTP", "500", "400"),
            ("detail", "null", ABSENT),
            ("error", "-500", ABSENT),
            ("error message", INTERNAL, ABSENT),
            ("result.status", "false", ABSENT),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["fed_child_nodetail"],
        edumfa: "says no origin where a child has left `detail` out",
        vouchsafe: "says it",
        instead: &[
            ("message", ABSENT, ""),
            ("origin", ABSENT, "http://127.0.0.1:19903/nodetail/validate/check"),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["check_bad_json", "check_empty_user", "check_json_array", "check_json_number_pass", "check_missing_pass", "check_missing_user_and_serial", "check_no_params", "check_resolver_unknown", "check_serial_wildcard", "check_unknown_realm_at", "check_unknown_realm_param", "check_unknown_user", "check_unknown_user_known_realm", "check_user_percent", "fed_child_close", "fed_child_dns", "fed_child_empty204", "fed_child_html200", "fed_child_html502", "fed_child_list", "fed_child_noresult", "fed_child_string", "fed_missing_pass", "fed_opt_realm_user_at", "fed_realm_param_passed", "fed_serial_unknown_at_parent", "fed_two_first_unknown_user", "fed_user_at_realm", "fed_user_unknown_at_child", "fed_user_unknown_at_parent", "poll_missing", "samlcheck_unknown_user", "triggerchallenge_missing_user"],
        edumfa: "says null in `detail` of errors",
        vouchsafe: "says `{}`, on which an eduMFA in front of it does not fail",
        instead: &[
            ("detail", "null", "object"),
        ],
    },
    Difference {
        rule: "F10",
        recordings: &["check_serial_otponly_disabled", "check_serial_otponly_ok", "fed_child_nodetail"],
        edumfa: "leaves an empty `detail` out",
        vouchsafe: "always has one",
        instead: &[
            ("detail", "left out", "object"),
        ],
    },
];
