//! Encodings, and what separates the items of a list in one.

use crate::config::compile::Compiler;
use crate::config::key_path::KeyPath;
use crate::config::raw_variable::RawEncoding;
use crate::domain::encoding::Encoding;

/// The encoding of that name.
pub const fn encoding(raw: RawEncoding) -> Encoding {
    match raw {
        RawEncoding::Utf8 => Encoding::Utf8,
        RawEncoding::Latin1 => Encoding::Latin1,
        RawEncoding::Percent => Encoding::Percent,
        RawEncoding::Base64 => Encoding::Base64,
        RawEncoding::Rfc8187 => Encoding::Rfc8187,
    }
}

/// Reports, with a remedy, a separator that could stand inside of an encoded item; `path` is where.
pub fn separates(
    encoding: Encoding,
    separator: &str,
    path: &KeyPath,
    remedy: &str,
    compiler: &mut Compiler<'_>,
) -> bool {
    let separates = encoding.separator(separator).is_some();
    if !separates {
        let text = format!(
            "the separator '{separator}' does not tell items in this encoding apart; {remedy}"
        );
        compiler.error(path, &text);
    }
    separates
}
