//! `slave.masters`: who may assert identities (SEMANTICS T6).

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::compile::{Compiler, headers, patterns};
use crate::config::key_path::KeyPath;
use crate::config::raw::{RawCertificate, RawMaster, RawSlave};
use crate::config::raw_value::{RawReference, RawSecret};
use crate::domain::limits::CONTROL_BYTES;
use crate::domain::network::Networks;
use crate::domain::secret::SecretDigest;
use crate::policy::trust::{Certificate, Control, Master};

/// What the shipped file says; everybody can read it there.
const SHIPPED_CONTENT: &str = "password";

/// Checks all masters; `proxies` are the trusted proxies, if those could be read.
pub fn masters(
    slave: &RawSlave,
    proxies: Option<&Networks>,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<Master>> {
    let list = KeyPath::of("slave.masters");
    if slave.masters.is_empty() && !compiler.document.wrote(&list.index(0)) {
        let text = "there is no master, so nobody can log in; add one to slave.masters";
        compiler.warn(&list, text);
    }
    let mut masters = Some(Vec::new());
    let mut names = HashMap::new();
    for (index, raw) in slave.masters.iter().enumerate() {
        let path = list.index(index);
        let name = name(raw, &path, &mut names, compiler);
        match (name, master(raw, slave, &path, proxies, compiler), &mut masters) {
            (Some(name), Some(master), Some(masters)) => masters.push(Master { name, ..master }),
            _ => masters = None,
        }
    }
    masters
}

fn name(
    raw: &RawMaster,
    parent: &KeyPath,
    names: &mut HashMap<String, usize>,
    compiler: &mut Compiler<'_>,
) -> Option<Arc<str>> {
    let name = compiler.required(parent, "name", raw.name.as_deref())?;
    let path = parent.key("name");
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    if !(1..=32).contains(&name.len()) || !name.bytes().all(plain) {
        let text = format!("'{name}' is not a master's name; use 1 to 32 of a-z 0-9 _ -");
        compiler.error(&path, &text);
        return None;
    }
    let line = compiler.place(&path).line as usize;
    if let Some(first) = names.get(name) {
        let text = format!(
            "the name '{name}' is taken by the master at line {first}; choose \
                            another"
        );
        compiler.error(&path, &text);
        return None;
    }
    names.insert(name.to_owned(), line);
    Some(name.into())
}

/// A master, but for its name.
fn master(
    raw: &RawMaster,
    slave: &RawSlave,
    path: &KeyPath,
    proxies: Option<&Networks>,
    compiler: &mut Compiler<'_>,
) -> Option<Master> {
    let networks = compiler.networks(&path.key("ips"), &raw.ips);
    let control = control(raw, slave, path, compiler);
    let certificate = match &raw.certificate {
        None => Some(None),
        Some(raw) => certificate(raw, &path.key("certificate"), compiler).map(Some),
    };
    let realm_is_good = !raw.realm.contains(char::is_control);
    if !realm_is_good {
        compiler.error(&path.key("realm"), "a realm holds no control characters; remove them");
    }
    let (networks, control) = (networks?, control?);
    proofs(raw, &networks, control.as_ref(), path, proxies, compiler)?;
    Some(Master {
        name: "".into(),
        networks,
        control,
        certificate: certificate?,
        realm: realm_is_good.then(|| raw.realm.as_str().into())?,
        reports_client: raw.reports_client,
    })
}

/// Whether addresses and control together prove enough.
fn proofs(
    raw: &RawMaster,
    networks: &Networks,
    control: Option<&Control>,
    path: &KeyPath,
    proxies: Option<&Networks>,
    compiler: &mut Compiler<'_>,
) -> Option<()> {
    // A key that was written and refused is no missing proof.
    let wrote = |key| compiler.document.wrote(&path.key(key));
    let refused = |key| wrote(key) && compiler.document.find(&path.key(key)).is_none();
    if ["ips", "control_header", "control_content", "anyone"].into_iter().any(refused) {
        return Some(());
    }
    if networks.is_empty() && control.is_none() && !raw.anyone {
        let text = "this master proves nothing: anybody could be anybody; give it `ips` or a \
                    control header, or write `anyone: true` if that is meant";
        compiler.error(path, text);
        return None;
    }
    let Some(overlap) = proxies.and_then(|proxies| networks.overlap(proxies)) else {
        return Some(());
    };
    let ips = path.key("ips");
    if control.is_none() {
        let text = format!(
            "{overlap} is both a trusted proxy and this master, so whoever reaches that proxy is the \
             master; give it a control header or take the address out of one list"
        );
        compiler.error(&ips, &text);
        return None;
    }
    // Who lets a master speak from everywhere has thought of the proxies too.
    if overlap.prefix_len() > 0 {
        let text = format!(
            "{overlap} is both a trusted proxy and this master; only the control header tells them apart"
        );
        compiler.warn(&ips, &text);
    }
    Some(())
}

/// `None` is an error, `Some(None)` a master without control header.
#[expect(clippy::option_option, reason = "one says wrong, the other says not checked")]
fn control(
    raw: &RawMaster,
    slave: &RawSlave,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Option<Control>> {
    let (header_at, content_at) = (parent.key("control_header"), parent.key("control_content"));
    let content = match &raw.control_content {
        // The reference writes "not checked" as an empty text.
        Some(RawSecret::Text(text)) if text.is_empty() && raw.control_header.is_empty() => None,
        content => content.as_ref(),
    };
    match (raw.control_header.as_str(), content) {
        ("", None) => Some(None),
        ("", Some(content)) => {
            // A header that was written and refused is no missing one.
            let refused =
                compiler.document.wrote(&header_at) && compiler.document.find(&header_at).is_none();
            if !refused {
                let text = "`control_content` without `control_header` checks nothing; name the \
                            header or remove the content";
                compiler.key_error(&content_at, text);
            }
            contents(content, &content_at, compiler);
            None
        }
        (header, content) => {
            let name = headers::from_master(&header_at, header, compiler);
            if let (Some(name), Some(user)) = (&name, &slave.user_header)
                && name.lower() == user.to_ascii_lowercase()
            {
                let text = "the control header is the login header; use two headers";
                compiler.error(&header_at, text);
            }
            let Some(content) = content else {
                if !compiler.document.wrote(&content_at) {
                    let text = "`control_header` without `control_content` checks nothing; add the \
                                content or remove the header";
                    compiler.key_error(&header_at, text);
                }
                return None;
            };
            let contents = contents(content, &content_at, compiler);
            Some(Some(Control { header: name?, contents: contents? }))
        }
    }
}

fn contents(
    raw: &RawSecret,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<SecretDigest>> {
    let RawSecret::List(items) = raw else {
        return content(raw, path, compiler).map(|digest| vec![digest]);
    };
    if items.is_empty() && !compiler.document.wrote(&path.index(0)) {
        compiler.error(path, "the list is empty, so nothing proves the master; add a content");
        return None;
    }
    let all = items.iter().enumerate();
    let digests: Vec<_> =
        all.map(|(index, item)| content(item, &path.index(index), compiler)).collect();
    digests.into_iter().collect()
}

fn content(raw: &RawSecret, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<SecretDigest> {
    match raw {
        RawSecret::Text(text) => {
            if text == SHIPPED_CONTENT {
                let text = "this content is the example's, which everybody knows; change it";
                compiler.warn(path, text);
            }
            digest(text.as_bytes(), path, compiler)
        }
        RawSecret::Reference(reference) => referenced(reference, path, compiler),
        RawSecret::List(_) => {
            compiler.error(path, "a list inside a list; write its items into the outer one");
            None
        }
    }
}

fn referenced(
    reference: &RawReference,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<SecretDigest> {
    let found = compiler.checked(path, compiler.sources.read(reference))?;
    if let Some(warning) = &found.warning {
        compiler.warn(path, warning);
    }
    digest(found.secret.expose(), path, compiler)
}

/// A content that no header can carry would lock the master out: say so now.
fn digest(content: &[u8], path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<SecretDigest> {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    let text = if content.is_empty() {
        "the control content is empty; write one, or remove the control header too"
    } else if content.len() > CONTROL_BYTES {
        "the control content is longer than 1024 bytes; use a shorter one"
    } else if content.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f) {
        "the control content holds control characters, which no header can carry; remove them"
    } else if blank(content.first()) || blank(content.last()) {
        "the control content starts or ends with a blank, which HTTP takes off; remove it"
    } else {
        return Some(SecretDigest::of(content));
    };
    compiler.error(path, text);
    None
}

fn certificate(
    raw: &RawCertificate,
    parent: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Certificate> {
    let header = compiler
        .required(parent, "header", raw.header.as_deref())
        .and_then(|written| headers::from_master(&parent.key("header"), written, compiler));
    let pattern = compiler
        .required(parent, "pattern", raw.pattern.as_deref())
        .and_then(|written| patterns::whole(&parent.key("pattern"), written, compiler));
    Some(Certificate { header: header?, pattern: pattern? })
}
