//! What a line of the translation is about.

/// What a line is about, so that an error in it leads back to its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A setting, by LemonLDAP::NG's key.
    Setting(&'static str),
    /// An exported variable.
    Variable(String),
    /// A macro.
    Macro(String),
    /// A group.
    Group(String),
    /// Whose name the log has.
    TraceName,
    /// A domain that `url=` may lead to.
    TrustedDomain(String),
    /// A virtual host as such.
    Application(String),
    /// A name of a virtual host.
    Host(String, String),
    /// A rule of a virtual host.
    Rule(String, String),
    /// A header of a virtual host.
    Export(String, String),
}

/// The translation, each line with what it is about.
pub type Yaml = crate::import::yaml::Yaml<Part>;
