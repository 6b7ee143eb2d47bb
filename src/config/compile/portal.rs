//! `portal`: its URL, the values of `lmAuth`, and the domains that it may send people back to.

use url::Url;

use crate::config::PortalSettings;
use crate::config::compile::urls::{self, UrlError};
use crate::config::compile::{Compiler, hosts};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawBackend, RawPortal};
use crate::policy::return_url::{ReturnUrls, TrustedDomain};

/// Where the portal is, for the checks of cookies and applications.
pub struct Origin {
    /// Its URL.
    pub url: Url,
    /// Its canonical host.
    pub host: Box<str>,
}

impl Origin {
    /// Whether browsers reach it over TLS.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

/// The portal's settings, its origin and its return URLs.
pub struct Portal {
    /// The settings.
    pub settings: PortalSettings,
    /// The origin.
    pub origin: Origin,
    /// Where people may be sent back to.
    pub return_urls: ReturnUrls,
}

/// Checks `portal`, but for the cookies' domain.
pub fn portal(raw: &RawPortal, compiler: &mut Compiler<'_>) -> Option<Portal> {
    let parent = KeyPath::of("portal");
    let choice = raw.choice.as_ref().map(|choice| {
        if choice.0.is_empty() {
            let text = "no value of lmAuth is accepted, so nobody can log in; leave `choice` out to \
                        ignore lmAuth";
            compiler.warn(&parent.key("choice"), text);
        }
        let slave = |(name, backend): &(String, RawBackend)| match backend {
            RawBackend::Slave => name.as_str().into(),
        };
        choice.0.iter().map(slave).collect()
    });
    let trusted = trusted_domains(raw, &parent.key("trusted_domains"), compiler);
    let written = compiler.required(&parent, "url", raw.url.as_deref())?;
    let path = parent.key("url");
    let origin = compiler.checked(&path, parse_url(written))?;
    Some(Portal {
        settings: PortalSettings { url: origin.url.as_str().into(), choice, logo: None },
        return_urls: ReturnUrls { portal_host: origin.host.clone(), trusted },
        origin,
    })
}

/// A portal's URL ends with a slash, so that paths can be appended.
fn parse_url(written: &str) -> Result<Origin, UrlError> {
    let urls::Place { mut url, host } = urls::absolute(written)?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(Origin { url, host })
}

fn trusted_domains(
    raw: &RawPortal,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Vec<TrustedDomain> {
    let written = raw.trusted_domains.items.iter().enumerate();
    let mut trusted = Vec::new();
    for (index, written) in written {
        let is_list = raw.trusted_domains.is_list;
        let path = if is_list { parent.index(index) } else { parent.clone() };
        // A leading dot is how LemonLDAP::NG writes a wildcard.
        let wildcard = written.strip_prefix('.').map(|name| format!("*.{name}"));
        let host = hosts::canonical(wildcard.as_deref().unwrap_or(written));
        let Some(host) = compiler.checked(&path, host) else { continue };
        trusted.push(match host.strip_prefix("*.") {
            Some(name) => TrustedDomain::Below(name.into()),
            None => TrustedDomain::Exact(host.into()),
        });
    }
    trusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_end_with_a_slash() {
        for (written, expected) in [
            ("https://auth.example.com", "https://auth.example.com/"),
            ("HTTP://Auth.Example.com:80/sso", "http://auth.example.com/sso/"),
            ("https://[::1]:8443/", "https://[::1]:8443/"),
        ] {
            assert_eq!(parse_url(written).unwrap().url.as_str(), expected);
        }
    }
}
