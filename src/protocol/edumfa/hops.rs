//! The hop marker: which nodes of ours a question came through (SEMANTICS F8).
//!
//! It travels as a request parameter, because eduMFA forwards parameters and drops headers (golden case
//! `fed_unknown_param_forwarded`). Must not know how a node gets its mark.

use crate::domain::limits::FEDERATION_HOPS;

/// The parameter's name.
pub const PARAMETER: &str = "vouchsafe_hops";

/// Why a question must not be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the question came through this node before, or through too many")]
pub struct Loop;

/// Whether `hops` is a marker: marks of eight lower-case hexadecimal digits, with commas between them, at most
/// `FEDERATION_HOPS` and one.
#[must_use]
pub fn is_marker(hops: &str) -> bool {
    hops.split(',').count() <= FEDERATION_HOPS + 1 && hops.split(',').all(is_mark)
}

fn is_mark(mark: &str) -> bool {
    mark.len() == 8 && mark.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The marker of a question that came with `hops` (empty for a first one) and is forwarded by the node `own`.
///
/// # Errors
/// [`Loop`] if `own` is among them, or if there are `FEDERATION_HOPS` already: answer, but ask nobody.
pub fn next_hops(hops: &str, own: &str) -> Result<String, Loop> {
    if hops.is_empty() {
        return Ok(own.to_owned());
    }
    if hops.split(',').count() >= FEDERATION_HOPS || hops.split(',').any(|mark| mark == own) {
        return Err(Loop);
    }
    Ok(format!("{hops},{own}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_never_forwarded_twice_by_one_node() {
        assert_eq!(next_hops("", "0000000a").as_deref(), Ok("0000000a"));
        assert_eq!(next_hops("0000000a", "0000000b").as_deref(), Ok("0000000a,0000000b"));
        assert_eq!(next_hops("0000000a,0000000b", "0000000a"), Err(Loop));
    }

    #[test]
    fn a_question_is_forwarded_four_times_at_most() {
        let mut hops = String::new();
        for node in 0..FEDERATION_HOPS {
            hops = next_hops(&hops, &format!("{node:08x}")).unwrap();
            assert!(is_marker(&hops));
        }
        assert_eq!(next_hops(&hops, "ffffffff"), Err(Loop));
    }

    #[test]
    fn what_is_no_list_of_marks_is_no_marker() {
        let long = ["0000000a"; FEDERATION_HOPS + 2].join(",");
        for odd in
            ["", "a", "0000000A", "0000000a,", ",0000000a", "0000000a, 0000000b", "0000000ü", &long]
        {
            assert!(!is_marker(odd), "{odd}");
        }
        assert!(is_marker(&["0000000a"; FEDERATION_HOPS + 1].join(",")));
    }
}
