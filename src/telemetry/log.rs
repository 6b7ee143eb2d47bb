//! The operator's log: one line an event, as text or JSON, on standard error.
//!
//! Must not know: secrets. Cookies, passwords, one-time passwords and bodies are never logged.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Which lines there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what needs action.
    Error,
    /// And what will.
    Warn,
    /// And the daemon's life, and the audit lines if they have no file of their own.
    Info,
    /// And every decision.
    Debug,
}

/// What to log, and how.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// The least important level that is written.
    pub level: LogLevel,
    /// The format.
    pub format: LogFormat,
}

impl LogLevel {
    const fn filter(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "warn,vouchsafe=info",
            Self::Debug => "info,vouchsafe=debug",
        }
    }
}

/// Installs the process's log. A second call changes nothing.
pub fn install(settings: LogSettings) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(settings.level.filter()))
        .with_span_events(FmtSpan::NONE)
        .with_writer(std::io::stderr);
    // The error says that a log is installed already, which is what the caller wants.
    let _ = match settings.format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
    };
}
