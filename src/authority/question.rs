//! The question: everything about a request that can be wrong, found to be right (SEMANTICS T, M1, R2, R3).
//!
//! Must not know: sessions, rules, what the answer will be.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::authority::Authority;
use crate::domain::decision::Reason;
use crate::domain::explanation::{Recorder, Stage};
use crate::domain::header::HeaderView;
use crate::domain::host;
use crate::domain::identity::Asserted;
use crate::domain::limits::METHOD_BYTES;
use crate::domain::network::{Chain, parse_chain};
use crate::domain::request::{Addresses, AuthRequest, Input, Peer, Scheme};
use crate::domain::target::{Target, TargetError};
use crate::domain::time::Timestamp;
use crate::policy::application::Application;
use crate::policy::rule::clause::{Facts, Who};
use crate::policy::trust::{NotAdmitted, Standing, ambiguous};

/// The question, after everything about it that can be wrong was found to be right.
pub struct Question<'a> {
    /// The method.
    pub method: &'a str,
    /// The canonical host.
    pub host: Cow<'a, str>,
    /// The path in all of its forms, and the query.
    pub target: Target<'a>,
    /// Whether TLS was spoken.
    pub scheme: Scheme,
    /// The client's address.
    pub client: IpAddr,
    /// The admitted master's word.
    pub asserted: Option<Asserted<'a>>,
    /// What is asked about.
    pub application: &'a Application,
}

impl Question<'_> {
    /// What rules look at, `who` being asked.
    pub fn facts<'f>(&'f self, who: Who<'f>, now: Timestamp) -> Facts<'f> {
        Facts {
            method: self.method,
            host: &self.host,
            scheme: self.scheme,
            query: self.target.query(),
            client: self.client,
            now,
            who,
        }
    }
}

impl Authority {
    /// Steps 1 to 3: the peer, the addresses, the master, the application, the target.
    pub(super) fn question<'a, R: Recorder>(
        &'a self,
        request: &AuthRequest<'a>,
        recorder: &mut R,
    ) -> Result<Question<'a>, Reason> {
        let standing = self.standing(request, recorder)?;
        if request.reserved_header {
            return Err(Reason::ReservedHeader);
        }
        let method = token(required(request.method)?)?;
        let scheme = scheme(request.scheme)?;
        let host = host::canonical(required(request.host)?).map_err(|_| Reason::MalformedHost)?;
        recorder.note(Stage::Request, || format!("{method} on {host} over {}", scheme.as_str()));
        let applications = &self.policy.applications;
        let application = match request.demands.application {
            Some(name) => applications.named(name).ok_or(Reason::UnknownApplication)?,
            None => applications.find(&host).ok_or(Reason::UnknownHost)?,
        };
        recorder.application(&application.name);
        recorder.note_at(Stage::Application, Some(application.at), || {
            format!("the host belongs to the application {}", application.name)
        });
        // After the application, because it says which spellings it reads (R2).
        let target = Target::parse(required(request.target)?, application.path_forms);
        let target = target.map_err(|error| match error {
            TargetError::Malformed => Reason::MalformedTarget,
            TargetError::Ambiguous => Reason::AmbiguousPath,
        })?;
        recorder.note(Stage::Request, || {
            format!("the canonical path is {}", String::from_utf8_lossy(target.path()))
        });
        let asserted = self.asserted(&standing, request.headers, recorder)?;
        let client = standing.client;
        Ok(Question { method, host, target, scheme, client, asserted, application })
    }

    fn standing<'a, R: Recorder>(
        &'a self,
        request: &AuthRequest<'a>,
        recorder: &mut R,
    ) -> Result<Standing<'a>, Reason> {
        let trust = &self.policy.trust;
        if !trust.is_trusted_proxy(request.peer) {
            return Err(Reason::UntrustedPeer);
        }
        let chain = self.chain_of(request)?;
        let standing = trust.admit(request.peer, &chain, request.headers).inspect_err(|reason| {
            if R::HAPPENS {
                self.metrics.master_rejected(*reason);
            }
        });
        if standing.is_err() {
            self.note_unreadable(request.headers, recorder);
        }
        let standing = standing?;
        recorder.note(Stage::Trust, || {
            let Standing { caller, client, .. } = standing;
            let from = match standing.admitted {
                Ok(admitted) => {
                    format!("the master {} speaks and proved itself", admitted.master().name)
                }
                Err(NotAdmitted::Address) => {
                    "that is no master's address, so master headers count as absent".to_owned()
                }
                Err(NotAdmitted::Control) => {
                    "that is a master's address, but the control header is missing: no identity"
                        .to_owned()
                }
            };
            format!("the caller is {caller}, the client {client}; {from}")
        });
        Ok(standing)
    }

    /// Names the trust headers that cannot be read.
    fn note_unreadable(&self, headers: &dyn HeaderView, recorder: &mut impl Recorder) {
        for header in self.policy.trust.trust_headers() {
            if let Err(error) = headers.unique(header.lower()) {
                recorder.note(Stage::Trust, || {
                    format!("the header {} cannot be trusted: {error}", header.lower())
                });
            }
        }
    }

    /// What the admitted master says; on a subrequest a missing login is no identity (M1).
    pub(super) fn asserted<'a, R: Recorder>(
        &'a self,
        standing: &Standing<'a>,
        headers: &'a dyn HeaderView,
        recorder: &mut R,
    ) -> Result<Option<Asserted<'a>>, Reason> {
        let Ok(admitted) = &standing.admitted else { return Ok(None) };
        match self.policy.slave.read(admitted, headers) {
            Ok(asserted) => {
                recorder.note(Stage::Master, || {
                    format!("the master asserts the user {}", asserted.user)
                });
                Ok(Some(asserted))
            }
            Err(Reason::LoginMissing) => {
                recorder.note(Stage::Master, || {
                    let header = self.policy.slave.user_header.lower();
                    format!("the header {header} is missing or empty: no identity")
                });
                Ok(None)
            }
            Err(reason) => {
                if R::HAPPENS {
                    self.metrics.master_rejected(reason);
                }
                Err(reason)
            }
        }
    }

    /// The addresses that the dialect may read (T2).
    pub(super) fn chain_of(&self, request: &AuthRequest<'_>) -> Result<Chain, Reason> {
        let parse = |value| parse_chain(value).map_err(|_| Reason::MalformedForwardedFor);
        match request.addresses {
            Addresses::Forwarded(forwarded) => {
                parse(forwarded.map_err(ambiguous)?.ok_or(Reason::NoClientAddress)?)
            }
            Addresses::Source { address, forwarded } => {
                let address = address.ok_or(Reason::NoClientAddress)?;
                let mut chain = match forwarded.map_err(ambiguous)? {
                    Some(forwarded)
                        if self.policy.trust.is_trusted_proxy(Peer::Address(address)) =>
                    {
                        parse(forwarded)?
                    }
                    _ => Chain::new(),
                };
                chain.push(address);
                Ok(chain)
            }
        }
    }
}

fn required(input: Input<'_>) -> Result<&[u8], Reason> {
    input.map_err(ambiguous)?.ok_or(Reason::MissingInput)
}

fn token(method: &[u8]) -> Result<&str, Reason> {
    let good = (1..=METHOD_BYTES).contains(&method.len())
        && method.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !good {
        return Err(Reason::MalformedMethod);
    }
    std::str::from_utf8(method).map_err(|_| Reason::MalformedMethod)
}

/// Nothing reported counts as TLS: then the plain-HTTP cookie, the weaker one, is not read.
fn scheme(input: Input<'_>) -> Result<Scheme, Reason> {
    match input.map_err(ambiguous)? {
        None | Some(b"https") => Ok(Scheme::Https),
        Some(b"http") => Ok(Scheme::Http),
        Some(_) => Err(Reason::MalformedScheme),
    }
}
