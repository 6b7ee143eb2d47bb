//! `slave.display_logo`: the built-in picture, or one of the operator's own.

use std::io::Read as _;
use std::path::Path;

use crate::config::compile::Compiler;
use crate::config::key_path::KeyPath;
use crate::config::raw_value::RawLogo;
use crate::domain::limits::LOGO_BYTES;
use crate::edge::http::pages::Logo;

/// Kinds of pictures by the end of their names; browsers are told the kind and do not guess.
const MEDIA_TYPES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("svg", "image/svg+xml"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
];

/// The logo of the choice page, if there is one.
pub fn logo(raw: Option<&RawLogo>, compiler: &mut Compiler<'_>) -> Option<Logo> {
    let path = KeyPath::of("slave").key("display_logo");
    match raw {
        None | Some(RawLogo::Shown(false)) => None,
        Some(RawLogo::Shown(true)) => Some(Logo::BuiltIn),
        Some(RawLogo::Picture(written)) => {
            let file = compiler.file(&path, written)?;
            compiler.checked(&path, picture(&file))
        }
    }
}

/// Why a file cannot be the logo.
#[derive(Debug, thiserror::Error)]
enum LogoError {
    #[error("a picture's name ends in .png, .svg, .jpg, .jpeg, .webp or .gif; rename it")]
    Kind,
    #[error(
        "the picture cannot be read: {0}; check the path, or write `true` for the built-in one"
    )]
    Unreadable(std::io::ErrorKind),
    #[error("the picture is larger than {LOGO_BYTES} bytes; use a smaller one")]
    Large,
}

fn picture(file: &Path) -> Result<Logo, LogoError> {
    let extension = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
    let known = MEDIA_TYPES.iter().find(|(end, _)| end.eq_ignore_ascii_case(extension));
    let (_, media_type) = known.ok_or(LogoError::Kind)?;
    let unreadable = |error: std::io::Error| LogoError::Unreadable(error.kind());
    let file = std::fs::File::open(file).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to be refused.
    file.take(LOGO_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LOGO_BYTES {
        return Err(LogoError::Large);
    }
    Ok(Logo::Picture { media_type, bytes: bytes.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read_with_its_kind_and_only_if_it_is_small_enough() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            picture(&path)
        };
        let Ok(Logo::Picture { media_type, bytes }) = write("a.PNG", b"png") else { panic!() };
        assert_eq!((media_type, &bytes[..]), ("image/png", &b"png"[..]));
        assert!(write("b.svg", &vec![b' '; LOGO_BYTES]).is_ok());
        assert!(matches!(write("c.svg", &vec![b' '; LOGO_BYTES + 1]), Err(LogoError::Large)));
        assert!(matches!(write("d.html", b"x"), Err(LogoError::Kind)));
        let missing = picture(&folder.path().join("missing.png"));
        assert!(matches!(missing, Err(LogoError::Unreadable(std::io::ErrorKind::NotFound))));
    }
}
