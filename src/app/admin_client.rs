//! Asks the running daemon that a configuration describes, through its admin listener.
//!
//! Must not know: what is asked for. It goes where `listen.admin` says and presents `admin.credential`.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
pub use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Response, redirect};
use serde::Serialize;
use serde_json::Value;

use crate::app::keys;
use crate::config::{KeySource, ListenAddress, Settings};
use crate::domain::secret::Secret;

/// A daemon that has not answered by then is stuck.
const DEADLINE: Duration = Duration::from_secs(10);

/// The way to a running daemon.
pub struct AdminClient {
    client: Client,
    base: String,
    credential: Secret,
    deadline: Duration,
}

impl AdminClient {
    /// The way to the daemon that runs with `settings`.
    ///
    /// # Errors
    /// There is none; the message names the key to set.
    pub fn new(settings: &Settings) -> anyhow::Result<Self> {
        let listener = settings.listen.admin.as_ref();
        let listener =
            listener.context("the configuration has no admin listener; set listen.admin")?;
        if listener.tls.is_some() {
            bail!("listen.admin speaks TLS, which this command does not; ask the API with curl");
        }
        let source = settings.admin.credentials.first();
        let source = source.context("the API has no credential; set admin.credential")?;
        if let KeySource::File(path) = source {
            bail!(
                "the credential {} does not exist; the daemon creates it when it starts",
                path.display()
            );
        }
        let credential = keys::credential(source)?;
        let mut client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(DEADLINE);
        let base = match &listener.address {
            ListenAddress::Tcp(address) => format!("http://{address}"),
            ListenAddress::Unix(path) => {
                client = client.unix_socket(path.as_path());
                "http://localhost".to_owned()
            }
        };
        Ok(Self { client: client.build()?, base, credential, deadline: DEADLINE })
    }

    /// The same for what takes longer.
    #[must_use]
    pub fn patient(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Where it leads.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.base
    }

    /// Whether somebody is there at all. The credential is not shown.
    pub async fn is_answered(&self) -> bool {
        let asked = self.client.get(format!("{}/livez", self.base)).timeout(self.deadline);
        // Whoever takes a connection is there, even if it does not answer in time.
        asked.send().await.map_or_else(|error| !error.is_connect(), |_| true)
    }

    /// Asks, and returns the JSON of a good answer.
    ///
    /// # Errors
    /// Nobody answers, or the daemon refuses; the message says what it said.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> anyhow::Result<Value> {
        let answer = self.send(method, path, body).await?;
        if !answer.status().is_success() {
            bail!("{}", refusal(answer).await);
        }
        answer.json().await.context("the answer is not JSON")
    }

    /// Asks for a file, and writes it into one that is made if the daemon has it; `tell` hears how many bytes are there,
    /// of how many.
    ///
    /// # Errors
    /// As [`AdminClient::ask`]; what was written is not all of it.
    pub async fn receive(
        &self,
        path: &str,
        make: impl FnOnce() -> anyhow::Result<File>,
        mut tell: impl FnMut(u64, u64),
    ) -> anyhow::Result<File> {
        let mut answer = self.send(Method::GET, path, None::<&()>).await?;
        if !answer.status().is_success() {
            bail!("{}", refusal(answer).await);
        }
        let total = answer.content_length().context("the daemon does not say how long it is")?;
        let (mut file, mut done) = (make()?, 0);
        while let Some(chunk) = answer.chunk().await.context("the daemon broke off")? {
            file.write_all(&chunk).context("cannot write the file")?;
            done += chunk.len() as u64;
            tell(done, total);
        }
        if done == total { Ok(file) } else { bail!("the daemon broke off") }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> anyhow::Result<Response> {
        let mut value = reqwest::header::HeaderValue::from_bytes(
            &[b"Bearer ", self.credential.expose()].concat(),
        )
        .context("the credential cannot stand in a header")?;
        value.set_sensitive(true);
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, &url).timeout(self.deadline);
        request = request.header(AUTHORIZATION, value);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await;
        answer.with_context(|| format!("no answer from {}; does it run?", self.base))
    }
}

/// What the daemon says about why not.
async fn refusal(answer: Response) -> String {
    let status = answer.status();
    let value: Value = answer.json().await.unwrap_or_default();
    let text = value.get("error").and_then(Value::as_str).unwrap_or("no reason given");
    format!("{text} ({status})")
}
