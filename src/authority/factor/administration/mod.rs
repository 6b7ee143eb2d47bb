//! What operators do with the local node's tokens; each change has its line in the audit log (SEMANTICS F12, O1).
//!
//! Must not know: HTTP, who may do so, where tokens lie. A secret leaves in [`AddedToken`] and never again.

mod conditions;
pub mod nodes;
mod words;

use std::net::IpAddr;

pub use words::{
    AddedToken, ImportFailure, ImportReport, ListedToken, NewPin, Otps, SecretText, TokenChange,
    TokenFilter, TokenFormat, TokenImport, TokenWish,
};

pub use crate::mfa::token::import::ImportError;

use crate::authority::Authority;
use crate::domain::time::Timestamp;
use crate::mfa::node::local::{Added, AdministrationError, Filter, LocalError, LocalNode};
use crate::mfa::settings::TokenKind;
use crate::session::chain;
use crate::telemetry::audit::AuditLine;

/// Tokens of a list where nobody says how many.
const PAGE: usize = 100;

/// Why something was not done; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There are no tokens here.
    #[error(
        "there is no local node, so there are no tokens here; set `mfa: {{ base: local }}`, or `mfa.local` beside another base, and restart"
    )]
    NoNode,
    /// There is none of this serial.
    #[error("there is no token '{0}'; `vouchsafe token list` shows those that there are")]
    Unknown(Box<str>),
    /// There is one of this serial.
    #[error("there is a token '{0}' already; remove it, or give the new one another serial")]
    Exists(Box<str>),
    /// It cannot be as it was asked for.
    #[error("{0}")]
    Invalid(&'static str),
    /// The file cannot be read.
    #[error("{0}; nothing was imported")]
    File(#[from] ImportError),
    /// The two OTPs are not the token's.
    #[error(
        "these are not two OTPs in a row of the token '{0}', or they are more than 1000 away from where it stands; take two new ones, one after the other"
    )]
    NotFound(Box<str>),
    /// We failed; the text says how.
    #[error("{0}")]
    Failed(String),
}

impl From<AdministrationError> for TokenError {
    fn from(error: AdministrationError) -> Self {
        match error {
            AdministrationError::Exists(serial) => Self::Exists(serial),
            AdministrationError::Unknown(serial) => Self::Unknown(serial),
            AdministrationError::Invalid(text) => Self::Invalid(text),
            AdministrationError::Node(error) => error.into(),
        }
    }
}

impl From<LocalError> for TokenError {
    fn from(error: LocalError) -> Self {
        let text = chain(&error);
        tracing::error!(error = %text, "tokens cannot be administered");
        Self::Failed(format!("{text}; try again, and look at the daemon's log if it fails again"))
    }
}

impl Authority {
    fn local_node(&self) -> Result<&LocalNode, TokenError> {
        let factors = self.factors.as_ref().ok_or(TokenError::NoNode)?;
        factors.federation().local().ok_or(TokenError::NoNode)
    }

    /// Tokens, without secrets, a page of them.
    ///
    /// # Errors
    /// There is no local node, or it fails.
    pub async fn list_tokens(
        &self,
        wanted: &TokenFilter,
        now: Timestamp,
    ) -> Result<Vec<ListedToken>, TokenError> {
        let filter = Filter { user: &wanted.user, realm: &wanted.realm, serial: &wanted.serial };
        let (after, limit) = (wanted.after.as_deref(), wanted.limit.unwrap_or(PAGE));
        let listed = self.local_node()?.list(filter, after, limit, now).await?;
        Ok(listed.into_iter().map(Into::into).collect())
    }

    /// Makes a token. `by` is whoever asks, for the audit log.
    ///
    /// # Errors
    /// Nothing was made.
    pub async fn add_token(
        &self,
        wish: &TokenWish,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<AddedToken, TokenError> {
        let Added { serial, enrolment } = self.make("token_add", wish, by, now).await?;
        Ok(AddedToken {
            serial: serial.into(),
            uri: enrolment.as_ref().map(|made| SecretText::new(made.uri(&wish.issuer))),
            secret: enrolment.as_ref().map(|made| SecretText::new(made.base32())),
        })
    }

    /// Makes tokens that exist elsewhere already.
    ///
    /// # Errors
    /// The file cannot be read, or there is no local node: nothing was made.
    pub async fn import_tokens(
        &self,
        import: TokenImport,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<ImportReport, TokenError> {
        self.local_node()?;
        let mut report = ImportReport::default();
        for (wish, place) in import.tokens()?.into_iter().zip(1..) {
            let made = match (TokenKind::of(&wish.kind), &wish.secret) {
                (Some(TokenKind::Hotp | TokenKind::Totp), None) => {
                    Err(TokenError::Invalid("a token that is imported brings its secret along"))
                }
                _ => self.make("token_import", &wish, by, now).await,
            };
            match made {
                Ok(made) => report.added.push(made.serial.into()),
                Err(error) => {
                    let (serial, error) = (wish.serial, error.to_string());
                    report.failed.push(ImportFailure { place, serial, error });
                }
            }
        }
        Ok(report)
    }

    /// Removes a token for good.
    ///
    /// # Errors
    /// It is still there, or never was.
    pub async fn remove_token(
        &self,
        serial: &str,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let token = self.token(serial, now).await?;
        let place = self.audit_place().await?;
        self.local_node()?.remove(serial, now).await?;
        place.write(line("token_remove", [&token.user, &token.realm, serial], by, now));
        Ok(())
    }

    /// Changes a token.
    ///
    /// # Errors
    /// Nothing has changed.
    pub async fn change_token(
        &self,
        serial: &str,
        change: &TokenChange,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let token = self.token(serial, now).await?;
        let node = self.local_node()?;
        let place = self.audit_place().await?;
        match change {
            TokenChange::Enable => node.set_enabled(serial, true, now).await?,
            TokenChange::Disable => node.set_enabled(serial, false, now).await?,
            TokenChange::Reset => node.reset(serial, now).await?,
            TokenChange::Pin(pin) => node.set_pin(serial, &pin.secret(), now).await?,
            TokenChange::Resync(otps) => {
                let [first, second] = otps.secrets();
                if !node.resync(serial, &first, &second, now).await? {
                    return Err(TokenError::NotFound(serial.into()));
                }
            }
        }
        place.write(line(change.event(), [&token.user, &token.realm, serial], by, now));
        Ok(())
    }

    async fn make(
        &self,
        event: &'static str,
        wish: &TokenWish,
        by: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Added, TokenError> {
        let node = self.local_node()?;
        let new = wish.token().map_err(TokenError::Invalid)?;
        let owner = node.resolve(&new.user, &new.realm);
        let realm = if owner.user.is_empty() { "" } else { &*owner.realm };
        let place = self.audit_place().await?;
        let made = node.add(new, now).await?;
        place.write(line(event, [&owner.user, realm, &made.serial], by, now));
        Ok(made)
    }

    /// A token by its serial.
    async fn token(&self, serial: &str, now: Timestamp) -> Result<ListedToken, TokenError> {
        let unknown = || TokenError::Unknown(serial.into());
        if serial.is_empty() {
            return Err(unknown());
        }
        let filter = TokenFilter { serial: serial.to_owned(), ..TokenFilter::default() };
        self.list_tokens(&filter, now).await?.pop().ok_or_else(unknown)
    }

    async fn audit_place(&self) -> Result<crate::telemetry::audit::Place<'_>, TokenError> {
        let text = "the audit log takes no lines, so nothing was changed; see the daemon's log";
        self.place().await.map_err(|_| TokenError::Failed(text.to_owned()))
    }
}

/// The audit line of a change of a token: `about` is its owner's name and realm, and its serial.
fn line(
    event: &'static str,
    [user, realm, serial]: [&str; 3],
    by: Option<IpAddr>,
    now: Timestamp,
) -> AuditLine {
    let written = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mut line = AuditLine::new(event, now);
    (line.user, line.realm) = (written(user), written(realm));
    (line.token, line.client) = (written(serial), by);
    line
}
