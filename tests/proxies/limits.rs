//! Where a proxy itself cannot do what the others do. Everything else in the table must hold.

/// A limit of some fronts in one case.
pub struct Limit {
    /// The cases' names.
    pub cases: &'static [&'static str],
    /// The fronts that have it.
    pub fronts: &'static [&'static str],
    /// What happens instead, and what closes or bounds it.
    pub instead: &'static str,
}

/// All of them; a row that no cell refers to fails.
pub static LIMITS: &[Limit] = &[
    Limit {
        cases: &[
            "A master's user reaches the application, with every export",
            "Unprotected paths pass with a session's exports, or with none",
            "Skipped paths pass without any identity",
        ],
        fronts: &["Traefik 3.7"],
        instead: "an export without a value reaches the application as an empty header, not as none; \
                  never as what the client sent. An application must not take an empty name for a user.",
    },
    Limit {
        cases: &[
            "A daemon that hangs lets nobody in, and the client is told within seconds",
            "A killed daemon lets nobody in: 503, its class, and when to come again",
            "Killed and restarted under load: nobody gets in without being asked, errors only while it is down",
        ],
        fronts: &["Traefik 3.7"],
        instead: "nobody gets in either, but the client of an unreachable daemon gets a bare 500, and that of a \
                  hanging one gets it after 30 s: forwardAuth has neither a status nor a time-out to set.",
    },
    Limit {
        cases: &["A denial is a page for people and JSON for programs"],
        fronts: &["nginx 1.22", "nginx 1.31"],
        instead: "the subrequest's body is not shown to anybody, so people see the JSON too. `@vouchsafe_forbidden` \
                  in `nginx/snippets/auth.conf` is the place for a page of your own.",
    },
];
