//! `vouchsafe token`: the local node's tokens, through the daemon while it runs. Secrets are no arguments, which
//! everybody on the machine could read: PINs are asked for.

use std::future::Future;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use crate::app::administration::{
    AddedToken, Administration, FILE_BYTES, ImportReport, NewPin, Otps, SecretText, TokenChange,
    TokenFilter, TokenFormat, TokenWish, qr_code,
};
use crate::cli::explanation_text::visible;
use crate::cli::token_text::table;
use crate::cli::{EXIT_CONFIG, settings};

/// Tokens of one request.
const PAGE: usize = 500;

/// What is to be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and show, this once, what its owner needs for an authenticator.
    Add(Box<AddArguments>),
    /// List tokens.
    List {
        /// Only those of this user.
        #[arg(long, default_value = "")]
        user: String,
        /// Only those of this realm.
        #[arg(long, default_value = "")]
        realm: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove a token for good.
    Remove {
        /// Its serial.
        serial: String,
    },
    /// Let a token be used again.
    Enable {
        /// Its serial.
        serial: String,
    },
    /// Let a token not be used any more.
    Disable {
        /// Its serial.
        serial: String,
    },
    /// Forget a token's failures, so that it is locked no more.
    Reset {
        /// Its serial.
        serial: String,
    },
    /// Set a token's counter or clock right by two OTPs in a row, which are used up.
    Resync {
        /// Its serial.
        serial: String,
        /// An OTP.
        otp1: String,
        /// The next one.
        otp2: String,
    },
    /// Give a token another PIN, which is asked for; an empty one means none.
    SetPin {
        /// Its serial.
        serial: String,
    },
    /// Import tokens; exit code 1 if any of them was not.
    Import {
        /// The file.
        file: PathBuf,
        /// What it is; known by its name if that ends in `.csv`, `.xml` or `.pskc`.
        #[arg(long)]
        format: Option<Format>,
    },
}

/// A token to make.
#[derive(Debug, Args)]
pub struct AddArguments {
    /// Whose it is, as `user` or `user@realm`.
    #[arg(long)]
    user: String,
    /// The user's realm; the local node's default realm if not given.
    #[arg(long, default_value = "")]
    realm: String,
    /// `totp` by time, `hotp` by a counter, `spass` is its PIN alone, `pw` a password.
    #[arg(long = "type", value_name = "TYPE", default_value = "totp",
        value_parser = ["totp", "hotp", "spass", "pw"])]
    kind: String,
    /// Its serial; a new one if not given.
    #[arg(long)]
    serial: Option<String>,
    /// Digits of an OTP: 6 or 8.
    #[arg(long, default_value_t = 6, value_parser = digits)]
    digits: u8,
    /// The hash of its OTPs; many authenticators know sha1 only.
    #[arg(long, default_value = "sha1", value_parser = ["sha1", "sha256", "sha512"])]
    algorithm: String,
    /// Seconds of a TOTP step.
    #[arg(long, default_value_t = 30)]
    period: u64,
    /// Ask for its PIN: on the terminal, or else as a line of standard input. `spass` asks anyway.
    #[arg(long, alias = "pin-stdin")]
    pin: bool,
    /// For people.
    #[arg(long, default_value = "")]
    description: String,
    /// What authenticators show beside the user.
    #[arg(long, default_value = "Vouchsafe")]
    issuer: String,
}

/// How a file of tokens is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// Comma separated values: with a header, or as eduMFA exports them.
    Csv,
    /// The XML of RFC 6030, with keys in the clear.
    Pskc,
}

pub fn run(path: Option<&Path>, command: &TokenCommand) -> ExitCode {
    let settings = match settings(path) {
        Ok(settings) => settings,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    answered(async {
        // Whatever can be wrong without a node is found before one is looked for.
        let work = Work::of(command)?;
        let administration = Administration::open(settings).await?;
        let done = work.done(&administration).await;
        administration.close();
        done
    })
}

/// Runs a command to its end, and says what is wrong if something is.
pub fn answered(work: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime");
    runtime.and_then(|runtime| runtime.block_on(work)).unwrap_or_else(|error| {
        eprintln!("error: {}", visible(&format!("{error:#}")));
        ExitCode::FAILURE
    })
}

/// A command with everything that had to be read for it.
enum Work<'a> {
    Add(Box<TokenWish>),
    List(TokenFilter, bool),
    Remove(&'a str),
    Change(&'a str, TokenChange, &'static str),
    Import(&'a Path, Vec<TokenWish>),
}

impl<'a> Work<'a> {
    fn of(command: &'a TokenCommand) -> anyhow::Result<Self> {
        Ok(match command {
            TokenCommand::Add(arguments) => Self::Add(Box::new(wish(arguments)?)),
            TokenCommand::List { user, realm, json } => {
                let (user, realm) = (user.clone(), realm.clone());
                Self::List(TokenFilter { user, realm, ..TokenFilter::default() }, *json)
            }
            TokenCommand::Remove { serial } => Self::Remove(serial),
            TokenCommand::Enable { serial } => {
                Self::Change(serial, TokenChange::Enable, "is enabled")
            }
            TokenCommand::Disable { serial } => {
                Self::Change(serial, TokenChange::Disable, "is disabled")
            }
            TokenCommand::Reset { serial } => {
                Self::Change(serial, TokenChange::Reset, "has no failures any more")
            }
            TokenCommand::Resync { serial, otp1, otp2 } => {
                let text = |otp: &String| SecretText::new(Zeroizing::new(otp.clone()));
                let otps = Otps { otp1: text(otp1), otp2: text(otp2) };
                Self::Change(serial, TokenChange::Resync(otps), "is in step again")
            }
            TokenCommand::SetPin { serial } => {
                let pin = NewPin { pin: secret_line("PIN")? };
                Self::Change(serial, TokenChange::Pin(pin), "has a new PIN")
            }
            TokenCommand::Import { file, format } => Self::Import(file, tokens(file, *format)?),
        })
    }

    async fn done(self, administration: &Administration) -> anyhow::Result<ExitCode> {
        match self {
            Self::Add(wish) => show(&administration.add(&wish).await?, &wish)?,
            Self::List(filter, json) => list(administration, filter, json).await?,
            Self::Remove(serial) => {
                administration.remove(serial).await?;
                println!("the token {} is removed", visible(serial));
            }
            Self::Change(serial, change, done) => {
                administration.change(serial, &change).await?;
                println!("the token {} {done}", visible(serial));
            }
            Self::Import(file, tokens) => return import(administration, file, tokens).await,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn wish(arguments: &AddArguments) -> anyhow::Result<TokenWish> {
    let is_password = arguments.kind == "pw";
    let has_pin = arguments.pin || arguments.kind == "spass";
    let pin = if has_pin { secret_line("PIN")? } else { SecretText::default() };
    let password = is_password.then(|| secret_line("password")).transpose()?;
    Ok(TokenWish {
        kind: arguments.kind.clone(),
        user: arguments.user.clone(),
        realm: arguments.realm.clone(),
        serial: arguments.serial.clone(),
        digits: arguments.digits,
        algorithm: arguments.algorithm.clone(),
        period: arguments.period,
        pin,
        password,
        description: arguments.description.clone(),
        issuer: arguments.issuer.clone(),
        ..TokenWish::default()
    })
}

fn digits(text: &str) -> Result<u8, &'static str> {
    match text {
        "6" => Ok(6),
        "8" => Ok(8),
        _ => Err("an OTP has 6 or 8 digits"),
    }
}

/// What is typed without showing it, or a line of standard input without its end.
fn secret_line(what: &str) -> anyhow::Result<SecretText> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let typed = rpassword::prompt_password(format!("{what} (not shown): "));
        let typed = typed.with_context(|| format!("cannot read the {what} from the terminal"))?;
        return Ok(SecretText::new(Zeroizing::new(typed)));
    }
    let mut line = Zeroizing::new(String::new());
    stdin.read_line(&mut line).with_context(|| format!("cannot read the {what}"))?;
    if line.is_empty() {
        bail!("there is no {what} on standard input; write it there as a line");
    }
    let text = line.trim_end_matches(['\r', '\n']).to_owned();
    Ok(SecretText::new(Zeroizing::new(text)))
}

fn show(added: &AddedToken, wish: &TokenWish) -> anyhow::Result<()> {
    println!("the token {} of {} is made", added.serial, visible(&wish.user));
    let (Some(uri), Some(secret)) = (&added.uri, &added.secret) else { return Ok(()) };
    println!("\n{}\n", uri.expose());
    println!("{}", &*qr_code(uri.expose())?);
    println!("or type the key {} (base32)", secret.expose());
    println!("This is shown once: have it scanned now. Whoever has it can make the user's OTPs.");
    Ok(())
}

async fn list(
    administration: &Administration,
    mut filter: TokenFilter,
    json: bool,
) -> anyhow::Result<()> {
    let is_whole = !filter.user.is_empty();
    filter.limit = Some(PAGE);
    let mut tokens = Vec::new();
    loop {
        let page = administration.list(&filter).await?;
        filter.after = page.last().map(|token| token.serial.clone());
        let is_last = is_whole || page.len() < PAGE;
        tokens.extend(page);
        if is_last {
            break;
        }
    }
    if json {
        println!("{:#}", serde_json::to_value(&tokens)?);
    } else {
        tokens.sort_by(|a, b| (&a.realm, &a.user, &a.serial).cmp(&(&b.realm, &b.user, &b.serial)));
        print!("{}", table(&tokens));
    }
    Ok(())
}

/// The tokens of a file: all of them, or what is wrong with it.
fn tokens(file: &Path, format: Option<Format>) -> anyhow::Result<Vec<TokenWish>> {
    let shown = file.display();
    let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let format = match (format, ending.as_str()) {
        (Some(Format::Csv), _) | (None, "csv") => TokenFormat::Csv,
        (Some(Format::Pskc), _) | (None, "xml" | "pskc") => TokenFormat::Pskc,
        (None, _) => bail!("{shown} may be anything; add --format csv or --format pskc"),
    };
    let opened = std::fs::File::open(file)
        .with_context(|| format!("cannot open {shown}; check the name"))?;
    let mut bytes = Zeroizing::new(Vec::new());
    opened
        .take(FILE_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {shown}; give a file"))?;
    let text = str::from_utf8(&bytes)
        .with_context(|| format!("{shown} is not UTF-8; save it as UTF-8"))?;
    format.read(text).with_context(|| format!("cannot import {shown}, nothing was imported"))
}

async fn import(
    administration: &Administration,
    file: &Path,
    tokens: Vec<TokenWish>,
) -> anyhow::Result<ExitCode> {
    let (all, mut report) = (tokens.len(), ImportReport::default());
    let mut rest = tokens.into_iter();
    let mut begun = 0;
    loop {
        let some: Vec<TokenWish> = rest.by_ref().take(PAGE).collect();
        if some.is_empty() {
            break;
        }
        let count = some.len();
        let part = administration.import(some).await.with_context(|| {
            format!("{} of {all} tokens were imported before", report.added.len())
        })?;
        report.added.extend(part.added);
        report.failed.extend(part.failed.into_iter().map(|mut failure| {
            failure.place += begun;
            failure
        }));
        begun += count;
        if all > PAGE {
            eprintln!("{begun} of {all} tokens");
        }
    }
    for failure in &report.failed {
        let serial = failure.serial.as_deref().unwrap_or("without a serial");
        let text = format!("token {} ({serial}): {}", failure.place, failure.error);
        eprintln!("error: {}", visible(&text));
    }
    let (added, failed) = (report.added.len(), report.failed.len());
    println!("{}: {added} tokens imported, {failed} not", file.display());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
