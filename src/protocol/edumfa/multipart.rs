//! `multipart/form-data` whose parts are texts, complete in memory (RFC 7578).
//!
//! The crates for it read streams and want an executor; a form of two short fields needs neither. Must not know what
//! the fields mean.

/// The boundary that the content type names.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let boundary = parameter(content_type, "boundary")?;
    ((1..=70).contains(&boundary.len())
        && boundary.bytes().all(|byte| (b' '..0x7f).contains(&byte)))
    .then_some(boundary)
}

/// The fields in their order, at most `limit`; `None` if it is anything but texts between boundaries: a file, a part
/// without a name, a part that does not end.
pub(super) fn fields<'a>(
    body: &'a [u8],
    boundary: &str,
    limit: usize,
) -> Option<Vec<(&'a str, &'a str)>> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first delimiter has no line before it.
    let mut rest = body.strip_prefix(delimiter.get(2..)?)?;
    let mut fields = Vec::new();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            return matches!(end, b"" | b"\r\n").then_some(fields);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        if fields.len() >= limit {
            return None;
        }
        let (part, after) = split(rest, &delimiter)?;
        let (head, value) = split(part, b"\r\n\r\n")?;
        fields.push((name(std::str::from_utf8(head).ok()?)?, std::str::from_utf8(value).ok()?));
        rest = after;
    }
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some((bytes.get(..at)?, bytes.get(at + mark.len()..)?))
}

/// The name of the field, from the head of its part.
fn name(head: &str) -> Option<&str> {
    let mut found = None;
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(':')?;
        if header.eq_ignore_ascii_case("content-transfer-encoding") {
            return None;
        }
        if header.eq_ignore_ascii_case("content-disposition") {
            let value = value.trim();
            if found.is_some()
                || value.to_ascii_lowercase().contains("filename")
                || !value.split(';').next()?.trim().eq_ignore_ascii_case("form-data")
            {
                return None;
            }
            found = Some(parameter(value, "name")?);
        }
    }
    found
}

/// The parameter of a header's value, which stands once; one with a backslash or a semicolon in quotes is not taken.
fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    for parameter in value.split(';').skip(1) {
        let Some((key, text)) = parameter.split_once('=') else { continue };
        if !key.trim().eq_ignore_ascii_case(name) {
            continue;
        }
        let text = text.trim();
        let plain = match text.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"')?,
            None => text,
        };
        if found.replace(plain).is_some() || plain.contains(['"', '\\']) {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: &str = "--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\ncarol\r\n";

    #[test]
    fn fields_are_the_texts_between_the_boundaries() {
        let body = format!(
            "{PART}--b\r\nContent-Type: text/plain\r\ncontent-disposition: form-data; name=pass\r\n\r\na\r\n--c\r\n\r\nb\r\n--b--\r\n"
        );
        let fields = fields(body.as_bytes(), "b", 2).unwrap();
        assert_eq!(fields, [("user", "carol"), ("pass", "a\r\n--c\r\n\r\nb")]);
    }

    #[test]
    fn a_form_that_is_odd_in_any_part_is_none() {
        for odd in [
            String::new(),
            PART.to_owned(),
            format!("{PART}--b"),
            format!("{PART}--b--x"),
            format!("preamble\r\n{PART}--b--"),
            format!("{PART}{PART}--b--"),
            format!("{PART}--b--").replace("user\"", "user\"; filename=\"x\""),
            format!("{PART}--b--").replace("user", "us\\\"er"),
            format!("{PART}--b--").replace("form-data", "attachment"),
            format!("{PART}--b--").replace("; name=\"user\"", ""),
            format!("{PART}--b--").replace("\"user\"", "\"user\"; name=\"pass\""),
            format!("{PART}--b--")
                .replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
        ] {
            assert_eq!(fields(odd.as_bytes(), "b", 1), None, "{odd}");
        }
        assert!(fields(format!("{PART}--b--").as_bytes(), "b", 1).is_some());
        assert_eq!(
            fields(b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\xfc\r\n--b--", "b", 1),
            None
        );
    }

    #[test]
    fn the_boundary_stands_in_the_content_type() {
        assert_eq!(boundary("multipart/form-data; boundary=b"), Some("b"));
        assert_eq!(boundary("multipart/form-data; charset=utf-8; Boundary=\"a b\""), Some("a b"));
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        for odd in [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "a; boundary=b; boundary=c",
            &long,
        ] {
            assert_eq!(boundary(odd), None, "{odd}");
        }
    }
}
