//! `admin`: the credential of the API, and the names under which it is reached.

use crate::config::compile::{Compiler, hosts};
use crate::config::key_path::KeyPath;
use crate::config::raw::RawAdmin;
use crate::config::raw_value::RawSecret;
use crate::config::secret_ref::Source;
use crate::config::{AdminSettings, KeySource};
use crate::domain::secret::Secret;

/// Fewer characters can be guessed.
const CREDENTIAL_BYTES: usize = 16;

/// Checks `admin`; `None` is an error. Without the key nobody may use the API.
pub fn admin(raw: Option<&RawAdmin>, compiler: &mut Compiler<'_>) -> Option<AdminSettings> {
    let Some(raw) = raw else { return Some(AdminSettings::default()) };
    let parent = KeyPath::of("admin");
    let hosts = names(raw, &parent.key("hosts"), compiler);
    let written = compiler.required(&parent, "credential", raw.credential.as_ref())?;
    let credentials = credentials(written, &parent.key("credential"), compiler)?;
    Some(AdminSettings { hosts: hosts?, credentials })
}

fn names(raw: &RawAdmin, path: &KeyPath, compiler: &mut Compiler<'_>) -> Option<Vec<Box<str>>> {
    let mut names = Some(Vec::new());
    for (index, written) in raw.hosts.items.iter().enumerate() {
        let at = if raw.hosts.is_list { path.index(index) } else { path.clone() };
        let name = compiler.checked(&at, hosts::canonical(written));
        if name.as_ref().is_some_and(|name| name.starts_with("*.")) {
            compiler.error(&at, "a wildcard would let in any page of that domain; name each host");
            names = None;
        }
        match (name, &mut names) {
            (Some(name), Some(names)) => names.push(name.into()),
            _ => names = None,
        }
    }
    names
}

fn credentials(
    raw: &RawSecret,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<Vec<KeySource>> {
    let RawSecret::List(items) = raw else {
        return credential(raw, path, true, compiler).map(|one| vec![one]);
    };
    if items.is_empty() && !compiler.document.wrote(&path.index(0)) {
        compiler.error(path, "the list is empty, so nobody may use the API; add a credential");
        return None;
    }
    let all = items.iter().enumerate();
    // While it is rotated, a file that is not there is a mistake.
    let each = all.map(|(index, item)| credential(item, &path.index(index), false, compiler));
    each.collect::<Vec<_>>().into_iter().collect()
}

fn credential(
    raw: &RawSecret,
    path: &KeyPath,
    is_created: bool,
    compiler: &mut Compiler<'_>,
) -> Option<KeySource> {
    let RawSecret::Reference(reference) = raw else {
        let text =
            "a credential does not stand in the clear; write { file: data/admin.credential }";
        compiler.error(path, text);
        return None;
    };
    if let Source::File(file) = compiler.checked(path, compiler.sources.of(reference))?
        && is_created
        && matches!(file.try_exists(), Ok(false))
    {
        return Some(KeySource::File(file));
    }
    let found = compiler.checked(path, compiler.sources.read(reference))?;
    if let Some(warning) = &found.warning {
        compiler.warn(path, warning);
    }
    good(&found.secret, path, compiler).then_some(KeySource::Given(found.secret))
}

fn good(secret: &Secret, path: &KeyPath, compiler: &mut Compiler<'_>) -> bool {
    let bytes = secret.expose();
    let text = if bytes.len() < CREDENTIAL_BYTES {
        "the credential is shorter than 16 characters; use a longer one, or remove the file to have one created"
    } else if !bytes.iter().all(u8::is_ascii_graphic) {
        "the credential holds blanks or characters that are not ASCII; use letters and digits"
    } else {
        return true;
    };
    compiler.error(path, text);
    false
}
