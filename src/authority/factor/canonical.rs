//! One spelling for a user, so that spellings share their failures (attack A81).
//!
//! For counting only: nodes are asked in the spelling that came.

use unicode_normalization::UnicodeNormalization as _;

/// The user in its one spelling: compatibility forms folded, lower case, without blanks around it and without a
/// realm that is one of ours, or is the one that is named beside it.
#[must_use]
pub fn canonical(user: &str, realm: &str, realms: &[Box<str>]) -> String {
    let folded: String = user.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    let name = folded.trim();
    let is_realm = |text: &str| {
        text.eq_ignore_ascii_case(realm)
            || realms.iter().any(|known| known.eq_ignore_ascii_case(text))
    };
    let name = match (name.rsplit_once('@'), name.split_once('\\')) {
        (Some((name, realm)), _) if is_realm(realm) => name,
        (_, Some((realm, name))) if is_realm(realm) => name,
        _ => name,
    };
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_user_are_one() {
        let realms = ["hq".into()];
        for spelling in [
            "alice",
            "Alice",
            "ALICE",
            "alice ",
            " alice",
            "alice@hq",
            "HQ\\alice",
            "Alice@HQ ",
            "ａlice",
            "ＡLICE",
        ] {
            assert_eq!(canonical(spelling, "", &realms), "alice", "{spelling:?}");
        }
        assert_eq!(canonical("alice@lab", "lab", &realms), "alice");
        assert_eq!(canonical("alice@example.org", "", &realms), "alice@example.org");
        assert_ne!(canonical("alicia", "", &realms), "alice");
    }
}
