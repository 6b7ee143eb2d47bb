//! The login that an operator can try at once, shown only if it would work.

use crate::config::Settings;
use crate::domain::header::HeaderList;
use crate::domain::network::{Chain, LOOPBACK};

/// What the shipped configuration's master sends; public knowledge.
const EXAMPLE_CONTROL: &str = "password";
const EXAMPLE_USER: &str = "dwho";

/// A login as the example's master would make it from this machine, without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    options: String,
}

impl Hint {
    /// The login, if a master believes it with the example's content; `None` once that was changed.
    #[must_use]
    pub fn of(settings: &Settings) -> Option<Self> {
        let policy = &settings.policy;
        let control = policy.trust.masters().iter().find_map(|master| master.control.as_ref())?;
        let user = &policy.slave.user_header;
        let headers = [
            (control.header.lower(), EXAMPLE_CONTROL.as_bytes()),
            (user.lower(), EXAMPLE_USER.as_bytes()),
        ]
        .into_iter()
        .collect::<HeaderList<'_>>();
        let standing = policy.trust.admit(LOOPBACK, &Chain::new(), &headers).ok()?;
        policy.slave.read(&standing.admitted.ok()?, &headers).ok()?;
        let host = settings.portal.url.split('/').nth(2)?;
        let (control, user) = (control.header.written(), user.written());
        let choice = settings.portal.choice.as_ref().and_then(|choices| choices.first());
        let form =
            choice.map_or_else(|| "-X POST".to_owned(), |choice| format!("-d lmAuth={choice}"));
        Some(Self {
            options: format!(
                "-H 'Host: {host}' -H '{user}: {EXAMPLE_USER}' -H '{control}: {EXAMPLE_CONTROL}' \
                 -H 'Accept: application/json' {form}"
            ),
        })
    }

    /// The command for a daemon that listens on `address`.
    #[must_use]
    pub fn curl(&self, address: std::net::SocketAddr) -> String {
        format!("curl http://{address}/ {}", self.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_shipped_configuration_has_a_login_to_try_and_a_changed_one_has_not() {
        let shipped = config::parse_shipped().unwrap_or_else(|e| panic!("{e}"));
        let line = Hint::of(&shipped).unwrap().curl("127.0.0.1:9080".parse().unwrap());
        assert_eq!(
            line,
            "curl http://127.0.0.1:9080/ -H 'Host: auth.example.com' -H 'CN: dwho' -H 'control: password' \
             -H 'Accept: application/json' -d lmAuth=2_Slave"
        );
        let changed =
            config::SHIPPED.replace("control_content: password", "control_content: other");
        let changed = config::parse(&changed, std::path::Path::new(""), &|_| None);
        assert_eq!(Hint::of(&changed.unwrap_or_else(|e| panic!("{e}"))), None);
    }
}
