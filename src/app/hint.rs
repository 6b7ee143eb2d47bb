//! The login that an operator can try at once, shown only if it would work.

use crate::app::sockets::{Place, Protection};
use crate::config::{ListenAddress, Settings};
use crate::domain::header::HeaderList;
use crate::domain::network::{Chain, LOOPBACK};
use crate::domain::request::Peer;

/// What the shipped configuration's master sends; public knowledge.
const EXAMPLE_CONTROL: &str = "password";
const EXAMPLE_USER: &str = "dwho";

/// A login as the example's master would make it from this machine, without its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    host: String,
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
        // Over a unix socket somebody must say where the master is, and must be believed.
        let is_unix = matches!(settings.listen.public.address, ListenAddress::Unix(_));
        if is_unix && !policy.trust.is_trusted_proxy(Peer::Unix) {
            return None;
        }
        let standing = policy.trust.admit(Peer::Address(LOOPBACK), &Chain::new(), &headers).ok()?;
        policy.slave.read(&standing.admitted.ok()?, &headers).ok()?;
        let host = settings.portal.url.split('/').nth(2)?;
        let (control, user) = (control.header.written(), user.written());
        let choice = settings.portal.choice.as_ref().and_then(|choices| choices.first());
        let form =
            choice.map_or_else(|| "-X POST".to_owned(), |choice| format!("-d lmAuth={choice}"));
        Some(Self {
            host: host.to_owned(),
            options: format!(
                "-H '{user}: {EXAMPLE_USER}' -H '{control}: {EXAMPLE_CONTROL}' \
                 -H 'Accept: application/json' {form}"
            ),
        })
    }

    /// The command for a daemon that is reached at `place`.
    #[must_use]
    pub fn curl(&self, place: &Place) -> String {
        let Self { host, options } = self;
        match (&place.address, place.protection) {
            (ListenAddress::Tcp(address), Protection::Plain) => {
                format!("curl http://{address}/ -H 'Host: {host}' {options}")
            }
            // By its name, which is what stands in the certificate.
            (ListenAddress::Tcp(address), Protection::Tls) => {
                format!("curl --connect-to '::{address}' https://{host}/ {options}")
            }
            (ListenAddress::Tcp(address), Protection::MutualTls) => format!(
                "curl --cert YOURS --key YOURS --connect-to '::{address}' https://{host}/ {options}"
            ),
            (ListenAddress::Unix(path), _) => format!(
                "curl --unix-socket '{}' http://{host}/ -H 'X-Forwarded-For: {LOOPBACK}' {options}",
                path.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn at(protection: Protection) -> Place {
        let address = ListenAddress::Tcp("127.0.0.1:9080".parse().unwrap());
        Place { address, protection }
    }

    #[test]
    fn a_listener_with_tls_is_called_by_its_name_and_a_unix_socket_by_its_path() {
        let shipped = config::parse_shipped().unwrap_or_else(|e| panic!("{e}"));
        let line = Hint::of(&shipped).unwrap().curl(&at(Protection::Tls));
        let start = "curl --connect-to '::127.0.0.1:9080' https://auth.example.com/ -H 'CN: dwho' ";
        assert!(line.starts_with(start), "{line}");
        let line = Hint::of(&shipped).unwrap().curl(&at(Protection::MutualTls));
        assert!(line.starts_with("curl --cert YOURS --key YOURS --connect-to "), "{line}");
        let unix = config::SHIPPED.replace("public: 127.0.0.1:9080", "public: unix:/run/v.sock");
        let hint = |text: &str| {
            let settings = config::parse(text, std::path::Path::new(""), &|_| None);
            Hint::of(&settings.unwrap_or_else(|e| panic!("{e}")))
        };
        assert_eq!(hint(&unix), None, "nobody believes what is said on that socket");
        let trusted = unix.replace("trusted_proxies: [", "trusted_proxies: [unix, ");
        let address = ListenAddress::Unix("/run/v.sock".into());
        let place = Place { address, protection: Protection::Plain };
        let line = hint(&trusted).unwrap().curl(&place);
        let start = "curl --unix-socket '/run/v.sock' http://auth.example.com/ -H 'X-Forwarded-For: 127.0.0.1' ";
        assert!(line.starts_with(start), "{line}");
    }

    #[test]
    fn the_shipped_configuration_has_a_login_to_try_and_a_changed_one_has_not() {
        let shipped = config::parse_shipped().unwrap_or_else(|e| panic!("{e}"));
        let line = Hint::of(&shipped).unwrap().curl(&at(Protection::Plain));
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
