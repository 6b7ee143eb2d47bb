//! The languages of the pages: their texts, and which one a browser gets.
//!
//! Must not know: HTML. Texts leave here unescaped; the templates escape them, once.

use std::cmp::Reverse;
use std::fmt;

use actix_web::http::header::{LanguageTag, Preference, Quality, QualityItem};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

use crate::domain::limits::ACCEPT_LANGUAGE_BYTES;

/// What stands in place of a text that does not exist, around its key; tests look for it.
pub const MISSING: [char; 2] = ['⟦', '⟧'];

/// For everybody whose browser asks for nothing that we have.
const DEFAULT: (&str, &str) = ("en", include_str!("../../../../locales/en.ftl"));
const OTHERS: [(&str, &str); 2] = [
    ("de", include_str!("../../../../locales/de.ftl")),
    ("fr", include_str!("../../../../locales/fr.ftl")),
];

/// Why a language of this program cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// Its name is not that of a language.
    #[error("the bundled language {tag:?} has no valid name: {cause}")]
    Tag {
        /// The name.
        tag: &'static str,
        /// What is wrong with it.
        cause: unic_langid::LanguageIdentifierError,
    },
    /// Its file has an error, or a key twice.
    #[error("the texts of the bundled language {tag:?} cannot be read: {cause}")]
    Texts {
        /// The language.
        tag: &'static str,
        /// What is wrong, and where.
        cause: String,
    },
}

/// One language with all texts.
pub struct Language {
    tag: &'static str,
    texts: FluentBundle<FluentResource>,
}

impl Language {
    /// Reads one file of `locales/`.
    pub fn read(tag: &'static str, source: &str) -> Result<Self, PagesError> {
        let cause = |cause: &dyn fmt::Debug| PagesError::Texts { tag, cause: format!("{cause:?}") };
        let identifier: LanguageIdentifier =
            tag.parse().map_err(|cause| PagesError::Tag { tag, cause })?;
        let resource =
            FluentResource::try_new(source.to_owned()).map_err(|(_, errors)| cause(&errors))?;
        let mut texts = FluentBundle::new_concurrent(vec![identifier]);
        // The marks would end up in titles and in what people copy.
        texts.set_use_isolating(false);
        texts.add_resource(resource).map_err(|errors| cause(&errors))?;
        Ok(Self { tag, texts })
    }

    /// Its name, for `lang` and `Content-Language`.
    #[must_use]
    pub fn tag(&self) -> &'static str {
        self.tag
    }

    /// The text of a key, `key` or `key.attribute`.
    #[must_use]
    pub fn say(&self, key: &str, values: &FluentArgs<'_>) -> String {
        let (id, attribute) =
            key.split_once('.').map_or((key, None), |(id, attribute)| (id, Some(attribute)));
        let message = self.texts.get_message(id);
        let pattern = message.and_then(|message| match attribute {
            Some(name) => message.get_attribute(name).map(|attribute| attribute.value()),
            None => message.value(),
        });
        let [open, close] = MISSING;
        pattern.map_or_else(
            || format!("{open}{key}{close}"),
            // A value that is not given stays visible as `{$name}`, which tests look for too.
            |pattern| {
                self.texts.format_pattern(pattern, Some(values), &mut Vec::new()).into_owned()
            },
        )
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Language").field(&self.tag).finish()
    }
}

/// All languages there are.
#[derive(Debug)]
pub struct Languages {
    default: Language,
    others: Vec<Language>,
}

impl Languages {
    /// Reads the languages that are part of this program.
    pub fn bundled() -> Result<Self, PagesError> {
        let others = OTHERS.iter().map(|(tag, source)| Language::read(tag, source));
        Ok(Self {
            default: Language::read(DEFAULT.0, DEFAULT.1)?,
            others: others.collect::<Result<_, _>>()?,
        })
    }

    /// The languages, the default first.
    pub fn iter(&self) -> impl Iterator<Item = &Language> {
        std::iter::once(&self.default).chain(&self.others)
    }

    /// The language that an `Accept-Language` wants most; the default where it wants none of ours.
    #[must_use]
    pub fn choose(&self, accept_language: Option<&[u8]>) -> &Language {
        let wishes = accept_language.map_or_else(Vec::new, wishes);
        let wanted = |language: &Language| {
            wanted(&wishes, language.tag).filter(|(quality, _)| *quality > Quality::ZERO)
        };
        // Of equals the one that the browser names first; under one `*`, ours in our order.
        self.iter()
            .filter_map(|language| Some((wanted(language)?, language)))
            .min_by_key(|((quality, place), _)| (Reverse(*quality), *place))
            .map_or(&self.default, |(_, language)| language)
    }
}

/// The elements of an `Accept-Language`; what cannot be read is as if it were not there.
fn wishes(header: &[u8]) -> Vec<QualityItem<Preference<LanguageTag>>> {
    let text = std::str::from_utf8(header).ok().filter(|text| text.len() <= ACCEPT_LANGUAGE_BYTES);
    let elements = text.unwrap_or_default().split(',');
    elements.filter_map(|element| element.trim().parse().ok()).collect()
}

/// How much a language is wanted, and at which place: by its own name, with any region, else by `*`.
fn wanted(
    wishes: &[QualityItem<Preference<LanguageTag>>],
    language: &str,
) -> Option<(Quality, usize)> {
    let named = |wish: &Preference<LanguageTag>| match wish {
        Preference::Specific(tag) => tag.primary_language().eq_ignore_ascii_case(language),
        Preference::Any => false,
    };
    let best = |matches: &dyn Fn(&Preference<LanguageTag>) -> bool| {
        let fitting = wishes.iter().enumerate().filter(|(_, wish)| matches(&wish.item));
        fitting
            .map(|(place, wish)| (wish.quality, place))
            .min_by_key(|(quality, place)| (Reverse(*quality), *place))
    };
    best(&named).or_else(|| best(&|wish| matches!(wish, Preference::Any)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_language_that_it_wants_most() {
        let languages = Languages::bundled().unwrap();
        let chosen = |header: Option<&[u8]>| languages.choose(header).tag();
        for (header, expected) in [
            ("en", "en"),
            ("de", "de"),
            ("fr", "fr"),
            ("de-AT", "de"),
            ("DE-at", "de"),
            ("fr-CA, en;q=0.9", "fr"),
            ("de-AT;q=0.3, fr-CH;q=0.7", "fr"),
            ("en;q=0.2, de;q=0.8, fr;q=0.5", "de"),
            ("fr;q=0.9, fr-CH;q=0.1, de;q=0.5", "fr"),
            ("it, de;q=0.5", "de"),
            ("de, fr", "de"),
            ("fr, de", "fr"),
            ("*", "en"),
            ("it, *;q=0.5", "en"),
            ("fr;q=0.5, *;q=0.1", "fr"),
            ("en;q=0, *", "de"),
            ("de;q=0", "en"),
            ("de;q=0, fr;q=0", "en"),
            ("it, ja", "en"),
            ("", "en"),
            (",,;;q=1,=", "en"),
            ("de;q=7, fr;q=0.1", "fr"),
            ("den, frr", "en"),
        ] {
            assert_eq!(chosen(Some(header.as_bytes())), expected, "{header}");
        }
        assert_eq!(chosen(None), "en");
        assert_eq!(chosen(Some(b"de, \xff")), "en");
    }

    #[test]
    fn an_overlong_wish_is_ignored() {
        let languages = Languages::bundled().unwrap();
        let longest = format!("de{}", ",".repeat(ACCEPT_LANGUAGE_BYTES - 2));
        assert_eq!(languages.choose(Some(longest.as_bytes())).tag(), "de");
        assert_eq!(languages.choose(Some(format!("{longest},").as_bytes())).tag(), "en");
    }

    #[test]
    fn a_language_with_an_error_is_refused() {
        for (source, part) in [
            ("a = { $x", "ExpectedToken"),
            ("no message", "Expected"),
            ("a = 1\na = 2", "Overriding"),
        ] {
            let error = Language::read("en", source).unwrap_err().to_string();
            assert!(error.starts_with("the texts of the bundled language \"en\""), "{error}");
            assert!(error.contains(part), "{error}");
        }
        let error = Language::read("?", "").unwrap_err().to_string();
        assert!(error.starts_with("the bundled language \"?\" has no valid name"), "{error}");
    }
}
