//! Tokens as PSKC, the XML of RFC 6030: HOTP and TOTP keys that stand there in the clear.
//!
//! Encrypted keys are refused by name: they would want a pre-shared key and AES in CBC mode for a file that its sender
//! can as well encrypt whole. No DTD, so no entities. Must not know: stores.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node, ParsingOptions};
use zeroize::Zeroizing;

use crate::domain::limits::IMPORT_BYTES;
use crate::domain::secret::Secret;
use crate::mfa::node::local::NewToken;
use crate::mfa::settings::TokenKind;
use crate::mfa::token::hotp::{Algorithm, Digits};
use crate::mfa::token::import::ImportError;

/// Elements and texts of a file.
const NODES: u32 = 2_000_000;

/// Attributes of an element, and namespaces of a file.
const ATTRIBUTES: usize = 64;

/// The tokens of a file.
///
/// # Errors
/// The first thing that is wrong: a key that is encrypted, of another kind, or incomplete.
pub fn read(text: &str) -> Result<Vec<NewToken>, ImportError> {
    if text.len() > IMPORT_BYTES {
        return Err(ImportError::at(1, "the file is too large"));
    }
    if let Some(line) = overloaded(text) {
        return Err(ImportError::at(line, "an element has too many attributes or namespaces"));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES, ..Default::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        ImportError::at(error.pos().row.into(), "this is no XML, or has a DTD or too many elements")
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "KeyContainer" {
        return Err(at(root, "this is no PSKC: it does not begin with a KeyContainer"));
    }
    let packages = children(root, "KeyPackage");
    packages.map(package).collect()
}

/// The line from which on an element has more attributes, or the file more namespaces, than any PSKC file; the parser
/// compares each with all others. A `<` stands in no attribute.
fn overloaded(text: &str) -> Option<u64> {
    let (mut line, mut namespaces) = (1, 0);
    for element in text.split('<') {
        namespaces += element.matches("xmlns").count();
        if namespaces > ATTRIBUTES || element.matches('=').count() > ATTRIBUTES {
            return Some(line);
        }
        line += element.matches('\n').count() as u64;
    }
    None
}

fn package(package: Node<'_, '_>) -> Result<NewToken, ImportError> {
    let key = child(package, "Key").ok_or_else(|| at(package, "a KeyPackage has no Key"))?;
    let id = key.attribute("Id").unwrap_or("without an Id").to_owned();
    let wrong = |node: Node<'_, '_>, what: &str| at(node, &format!("the key '{id}' {what}"));
    let algorithm = key.attribute("Algorithm").unwrap_or("");
    let kind = match algorithm.rsplit(':').next().unwrap_or("").to_ascii_lowercase().as_str() {
        "hotp" => TokenKind::Hotp,
        "totp" => TokenKind::Totp,
        _ => return Err(wrong(key, "is neither for HOTP nor for TOTP")),
    };
    let mut new = NewToken::new(kind);
    let data = child(key, "Data").ok_or_else(|| wrong(key, "has no data"))?;
    let of_data = |name: &str| -> Result<Option<&str>, ImportError> {
        let Some(element) = child(data, name) else { return Ok(None) };
        let plain = child(element, "PlainValue");
        plain.and_then(|plain| plain.text()).map(|text| Some(text.trim())).ok_or_else(|| {
            wrong(element, "is encrypted, which is not supported: ask for it in the clear")
        })
    };
    let number = |name: &str| -> Result<Option<u64>, ImportError> {
        let number = of_data(name)?.map(str::parse).transpose();
        number.map_err(|_| wrong(data, &format!("has a {name} that is no number")))
    };
    let secret = of_data("Secret")?.ok_or_else(|| wrong(data, "has no secret"))?;
    let secret = Zeroizing::new(secret.split_ascii_whitespace().collect::<String>());
    let secret = STANDARD.decode(secret.as_bytes());
    new.secret =
        Some(Secret::new(secret.map_err(|_| wrong(data, "has a secret that is no base64"))?));
    new.counter = number("Counter")?.unwrap_or(0);
    new.period = number("TimeInterval")?.unwrap_or(new.period);
    let device = child(package, "DeviceInfo");
    let serial = device.and_then(|device| child(device, "SerialNo")).and_then(|node| node.text());
    new.serial = serial.or(key.attribute("Id")).map(|serial| serial.trim().into());
    let user = child(key, "UserId").or(device.and_then(|device| child(device, "UserId")));
    if let Some(user) = user.and_then(|node| node.text()) {
        // A person there is a distinguished name, which is no login; kept for whoever assigns the token.
        new.info.push(("pskc.user".into(), user.trim().into()));
    }
    if let Some(parameters) = child(key, "AlgorithmParameters") {
        if let Some(suite) = child(parameters, "Suite").and_then(|node| node.text()) {
            let suite = Algorithm::of(suite.trim());
            new.algorithm = suite.ok_or_else(|| wrong(parameters, "has an unknown suite"))?;
        }
        if let Some(format) = child(parameters, "ResponseFormat") {
            if format.attribute("Encoding") != Some("DECIMAL") {
                return Err(wrong(format, "does not answer in decimal digits"));
            }
            let length = format.attribute("Length").and_then(|length| length.parse::<u8>().ok());
            let digits = length.and_then(|length| Digits::try_from(length).ok());
            new.digits = digits.ok_or_else(|| wrong(format, "has neither 6 nor 8 digits"))?;
        }
    }
    Ok(new)
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    children(node, name).next()
}

fn at(node: Node<'_, '_>, what: &str) -> ImportError {
    let line = node.document().text_pos_at(node.range().start).row;
    ImportError::at(line.into(), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6030, figure 2 (shortened), with a namespace prefix; the secret is the one of RFC 4226.
    const PLAIN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<pskc:KeyContainer Version="1.0" Id="exampleID1" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc">
  <pskc:KeyPackage>
    <pskc:DeviceInfo>
      <pskc:Manufacturer>Manufacturer</pskc:Manufacturer>
      <pskc:SerialNo>987654321</pskc:SerialNo>
      <pskc:UserId>DC=example-bank,DC=net</pskc:UserId>
    </pskc:DeviceInfo>
    <pskc:Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
      <pskc:AlgorithmParameters>
        <pskc:ResponseFormat Length="8" Encoding="DECIMAL"/>
      </pskc:AlgorithmParameters>
      <pskc:Data>
        <pskc:Secret><pskc:PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=
        </pskc:PlainValue></pskc:Secret>
        <pskc:Counter><pskc:PlainValue>5</pskc:PlainValue></pskc:Counter>
      </pskc:Data>
    </pskc:Key>
  </pskc:KeyPackage>
</pskc:KeyContainer>"#;

    #[test]
    fn a_key_in_the_clear_becomes_a_token() {
        let tokens = read(PLAIN).unwrap();
        let token = &tokens[0];
        assert_eq!((token.kind, token.digits, token.counter), (TokenKind::Hotp, Digits::Eight, 5));
        assert_eq!(token.serial.as_deref(), Some("987654321"));
        assert_eq!(token.secret.as_ref().unwrap().expose(), b"12345678901234567890");
        assert_eq!(&*token.info[0].1, "DC=example-bank,DC=net");
    }

    #[test]
    fn a_timed_key_has_its_step_and_its_hash() {
        let timed = PLAIN
            .replace(":hotp", ":totp")
            .replace("Counter>", "TimeInterval>")
            .replace(
                "<pskc:ResponseFormat",
                "<pskc:Suite>HMAC-SHA256</pskc:Suite><pskc:ResponseFormat",
            )
            .replace(">5<", ">60<");
        let tokens = read(&timed).unwrap();
        let token = &tokens[0];
        assert_eq!((token.kind, token.algorithm), (TokenKind::Totp, Algorithm::Sha256));
        assert_eq!((token.period, token.counter), (60, 0));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line_and_key() {
        let encrypted = "EncryptedValue><x/></pskc:EncryptedValue";
        let with = |from: &str, to: &str| read(&PLAIN.replace(from, to)).unwrap_err().to_string();
        let text =
            with("PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=\n        </pskc:PlainValue", encrypted);
        assert!(text.starts_with("line 14:") && text.contains("'12345678' is encrypted"), "{text}");
        for (from, to, part) in [
            (":hotp", ":ocra", "neither for HOTP nor for TOTP"),
            ("\"8\"", "\"7\"", "6 nor 8"),
            ("DECIMAL", "ALPHANUMERIC", "decimal"),
            (">5<", ">five<", "Counter"),
            ("MTIz", "M!", "base64"),
            ("pskc:KeyContainer", "pskc:Other", "no PSKC"),
            ("</pskc:Data>", "", "no XML"),
            ("<pskc:KeyContainer", "<!DOCTYPE x [<!ENTITY a \"b\">]><pskc:KeyContainer", "DTD"),
        ] {
            let text = with(from, to);
            assert!(text.contains(part) && !text.contains("MTIz"), "{text}");
        }
    }

    #[test]
    fn elements_may_stand_deep_in_each_other_without_harm() {
        let deep = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
        assert!(read(&deep).is_err());
        assert!(read(&"<a>".repeat(200_000)).is_err());
    }

    #[test]
    fn too_many_attributes_or_namespaces_are_refused_before_they_are_compared() {
        let wide = (0..100).map(|n| format!(" a{n}=''")).collect::<Vec<_>>().concat();
        let many = (0..100).map(|n| format!("<a xmlns:x{n}='u'>\n"));
        let many = many.collect::<Vec<_>>().concat();
        for text in [format!("<a>\n<b{wide}/></a>"), many] {
            let error = read(&text).unwrap_err();
            assert!(error.line > 1 && error.what.contains("too many attributes"), "{error}");
        }
    }
}
