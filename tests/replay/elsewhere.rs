//! Recordings that Debian 12's LemonLDAP::NG, as tests/peers/llng starts it, answers otherwise, each with the reason.
//!
//! It is asked all the same: one that is answered as it was recorded fails, and has to be taken out of here.

use std::fmt;

use crate::differences::matches;

/// Recordings that were made with something else than what runs here.
pub struct Elsewhere {
    pub recordings: &'static [&'static str],
    /// What it takes to be answered so.
    pub needs: &'static str,
}

impl Elsewhere {
    /// The row about the recording called `name`.
    pub fn about(name: &str) -> Option<&'static Self> {
        ELSEWHERE.iter().find(|row| row.recordings.iter().any(|pattern| matches(pattern, name)))
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.needs, self.recordings.join(" "))
    }
}

pub const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        recordings: &[
            "v221_ip_0_0_0_0_0__203_0_113_7",
            "v22?_ip_203_0_113_0_24__203_0_113_7",
            "v22?_ip_203_0_113_0_24_2001_*",
            "v22?_ip_203_0_113_7_24__203_0_113_7",
            "v223_ip_2001_db8_32__2001_db8_7",
        ],
        needs: "2.20 or later, which knows networks",
    },
    Elsewhere {
        recordings: &[
            "v22?_ip_10_9_1_2_*__1_2_3_4",
            "v22?_ip_127_0_0_1_203_*__198_51_100_4",
            "v223_ip_127_0_0_1_203_*__203_0_113_7",
            "v22?_ip_192_168_1_1__1_2_1_8",
            "v22?_ip__1___1",
            "v22?_ip__ffff_*",
        ],
        needs: "2.20 or later, which compares addresses instead of searching them as patterns",
    },
    Elsewhere {
        recordings: &["v223_cert_*"],
        needs: "2.23, which asks for the master's certificate",
    },
    Elsewhere {
        recordings: &["v22?_h_json_ns"],
        needs: "a version that tells programs the way to the portal, too",
    },
    Elsewhere {
        recordings: &["v223_h_lua_skip_spoof9", "h_app_lua_20headers*", "h_app_lua_skip_spoof9"],
        needs: "2.16's snippet for nginx's Lua module",
    },
    Elsewhere {
        recordings: &["h_???_leak_after"],
        needs: "a worker that refused the same session for its level a moment before",
    },
];
