//! Conditions of handlers, held against a question, the answer so far and what is known of the token (SEMANTICS F3).
//!
//! Source: eduMFA's event handlers, as recorded in golden case `conditions_matrix`. The one deliberate difference: a
//! condition about a token that is not known does not hold, unless the handler says so. Must not know: who is asked next.

use crate::domain::node::{Answer, Question, Verdict};
use crate::domain::time::Timestamp;
use crate::mfa::facts::{Facts, LastAuth, TokenFacts};
use crate::mfa::settings::{Authentication, Comparison, Condition, LoggedIn, Operator};

/// What conditions are held against.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The question.
    pub question: &'a Question<'a>,
    /// The answer so far, if there is one.
    pub answer: Option<&'a Answer>,
    /// The user and the token concerned, as far as they are known.
    pub facts: &'a Facts,
    /// When.
    pub now: Timestamp,
}

impl Condition {
    /// Whether it needs [`Facts`], which cost a look into a store.
    #[must_use]
    pub const fn is_about_facts(&self) -> bool {
        match self {
            Self::ResultValue(_)
            | Self::ResultStatus(_)
            | Self::ResultAuthentication(_)
            | Self::Realm(_)
            | Self::ClientIp(..)
            | Self::LoggedInUser(_)
            | Self::DetailMessage(_)
            | Self::DetailErrorMessage(_) => false,
            Self::Resolver(_)
            | Self::UserTokenNumber(_)
            | Self::Serial(_)
            | Self::TokenType(_)
            | Self::TokenRealm(_)
            | Self::TokenResolver(_)
            | Self::TokenLocked(_)
            | Self::TokenHasOwner(_)
            | Self::TokenIsOrphaned(_)
            | Self::TokenIsValid(_)
            | Self::OtpCounter(_)
            | Self::FailCounter(_)
            | Self::CountAuth(_)
            | Self::CountAuthSuccess(_)
            | Self::CountAuthFail(_)
            | Self::LastAuth(_)
            | Self::RolloutState(_)
            | Self::TokenInfo(..) => true,
        }
    }

    /// Whether it holds; one about an unknown token does if `unknown_matches`.
    #[must_use]
    pub fn holds(&self, at: &Circumstances<'_>, unknown_matches: bool) -> bool {
        let Circumstances { question, answer, facts, .. } = at;
        match self {
            Self::ResultValue(wanted) => is_accepted(*answer) == *wanted,
            Self::ResultStatus(wanted) => is_good(*answer) == *wanted,
            Self::ResultAuthentication(wanted) => {
                answer.is_some_and(|answer| authentication(answer) == *wanted)
            }
            Self::DetailMessage(pattern) => {
                is_good(*answer) && answer.is_some_and(|answer| pattern.is_match(&answer.message))
            }
            Self::DetailErrorMessage(pattern) => {
                !is_good(*answer) && answer.is_some_and(|answer| pattern.is_match(&answer.message))
            }
            Self::Realm(realms) => has(realms, question.realm),
            Self::Resolver(resolvers) => match (&facts.resolver, question.resolver) {
                (Some(resolver), _) => has(resolvers, resolver),
                (None, "") => unknown_matches,
                (None, written) => has(resolvers, written),
            },
            Self::ClientIp(inside, outside) => question
                .client
                .is_some_and(|client| inside.contains(client) && !outside.contains(client)),
            Self::LoggedInUser(who) => *who == LoggedIn::User,
            Self::UserTokenNumber(wanted) => facts
                .tokens
                .map_or(unknown_matches, |tokens| wanted.operator.holds(&tokens, &wanted.number)),
            Self::Serial(_)
            | Self::TokenType(_)
            | Self::TokenRealm(_)
            | Self::TokenResolver(_)
            | Self::TokenLocked(_)
            | Self::TokenHasOwner(_)
            | Self::TokenIsOrphaned(_)
            | Self::TokenIsValid(_)
            | Self::OtpCounter(_)
            | Self::FailCounter(_)
            | Self::CountAuth(_)
            | Self::CountAuthSuccess(_)
            | Self::CountAuthFail(_)
            | Self::LastAuth(_)
            | Self::RolloutState(_)
            | Self::TokenInfo(..) => facts
                .token
                .as_ref()
                .and_then(|token| self.holds_of(token, at.now))
                .unwrap_or(unknown_matches),
        }
    }

    /// Whether it holds of this token; `None` if that is not known of it, or is no condition about tokens.
    fn holds_of(&self, token: &TokenFacts, now: Timestamp) -> Option<bool> {
        let compare = |wanted: &Comparison, number: Option<i64>| {
            number.map(|number| wanted.operator.holds(&number, &wanted.number))
        };
        match self {
            Self::Serial(pattern) => token.serial.as_deref().map(|serial| pattern.is_match(serial)),
            Self::TokenType(types) => token.token_type.as_deref().map(|kind| has(types, kind)),
            Self::TokenRealm(realms) => {
                let own = token.realms.as_ref()?;
                Some(own.iter().any(|realm| has(realms, realm)))
            }
            Self::TokenResolver(resolvers) => {
                token.resolver.as_deref().map(|own| has(resolvers, own))
            }
            Self::TokenLocked(wanted) => token.is_locked.map(|is| is == *wanted),
            Self::TokenHasOwner(wanted) => token.has_owner.map(|has| has == *wanted),
            Self::TokenIsOrphaned(wanted) => token.is_orphaned.map(|is| is == *wanted),
            Self::TokenIsValid(wanted) => token.is_valid.map(|is| is == *wanted),
            Self::OtpCounter(wanted) => compare(wanted, token.otp_counter),
            Self::FailCounter(wanted) => compare(wanted, token.fail_counter),
            Self::CountAuth(wanted) => compare(wanted, token.count_auth),
            Self::CountAuthSuccess(wanted) => compare(wanted, token.count_auth_success),
            Self::CountAuthFail(wanted) => compare(wanted, token.count_auth_fail),
            Self::LastAuth(span) => match token.last_auth {
                LastAuth::Unknown => None,
                LastAuth::Never => Some(false),
                LastAuth::At(last) => Some(now.since(last) > *span),
            },
            Self::RolloutState(state) => token.rollout_state.as_ref().map(|own| own == state),
            Self::TokenInfo(key, operator, value) => {
                let info = token.info.as_ref()?;
                let own = info.iter().find(|(name, _)| name == key);
                Some(own.is_some_and(|(_, own)| compare_texts(*operator, own, value)))
            }
            Self::ResultValue(_)
            | Self::ResultStatus(_)
            | Self::ResultAuthentication(_)
            | Self::Realm(_)
            | Self::Resolver(_)
            | Self::ClientIp(..)
            | Self::LoggedInUser(_)
            | Self::DetailMessage(_)
            | Self::DetailErrorMessage(_)
            | Self::UserTokenNumber(_) => None,
        }
    }
}

/// Whether `answer` accepts. No answer does not.
fn is_accepted(answer: Option<&Answer>) -> bool {
    answer.is_some_and(|answer| answer.verdict == Verdict::Accepted)
}

/// Whether there is an answer and it is no error.
fn is_good(answer: Option<&Answer>) -> bool {
    answer.is_some_and(|answer| !matches!(answer.verdict, Verdict::NotMine | Verdict::Refused))
}

/// An answer in eduMFA's one word.
#[must_use]
pub const fn authentication(answer: &Answer) -> Authentication {
    match answer.verdict {
        Verdict::Accepted => Authentication::Accept,
        Verdict::Challenged => Authentication::Challenge,
        Verdict::Declined => Authentication::Declined,
        Verdict::Rejected | Verdict::NotMine | Verdict::Refused => Authentication::Reject,
    }
}

fn has(list: &[Box<str>], wanted: &str) -> bool {
    list.iter().any(|item| **item == *wanted)
}

/// As numbers if both are, else as texts.
fn compare_texts(operator: Operator, left: &str, right: &str) -> bool {
    match (left.trim().parse::<i64>(), right.trim().parse::<i64>()) {
        (Ok(left), Ok(right)) => operator.holds(&left, &right),
        _ => operator.holds(&left, &right),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use regex::Regex;

    use super::*;
    use crate::domain::network::Networks;
    use crate::domain::node::{Event, Holder};

    const NOW: Timestamp = Timestamp::from_millis(86_400_000);

    #[track_caller]
    fn holds(condition: &Condition, answer: Option<&Answer>, facts: &Facts) -> [bool; 2] {
        let mut question = Question::new(Event::Check, Holder::Caller("test"));
        (question.realm, question.client) = ("hq", Some("10.1.2.3".parse().unwrap()));
        let at = Circumstances { question: &question, answer, facts, now: NOW };
        [condition.holds(&at, false), condition.holds(&at, true)]
    }

    const YES: [bool; 2] = [true, true];
    const NO: [bool; 2] = [false, false];
    /// Only where what is unknown matches.
    const UNKNOWN: [bool; 2] = [false, true];

    fn texts(items: &[&str]) -> Vec<Box<str>> {
        items.iter().map(|&item| item.into()).collect()
    }

    #[test]
    fn conditions_about_the_answer_hold_of_the_one_so_far() {
        let accepted = Answer::new(Verdict::Accepted, "matching 1 tokens");
        let rejected = Answer::new(Verdict::Rejected, "wrong otp pin");
        let challenged = Answer::new(Verdict::Challenged, "please enter otp: ");
        let not_mine = Answer::new(Verdict::NotMine, "User does not exist.");
        let none = Facts::default();
        let value = |wanted, answer| holds(&Condition::ResultValue(wanted), answer, &none);
        assert_eq!((value(true, Some(&accepted)), value(false, Some(&accepted))), (YES, NO));
        // A user that is not known here is no acceptance, so the seed's handler asks the child (F2).
        for answer in [None, Some(&rejected), Some(&challenged), Some(&not_mine)] {
            assert_eq!((value(true, answer), value(false, answer)), (NO, YES));
        }
        let status = |wanted, answer| holds(&Condition::ResultStatus(wanted), answer, &none);
        assert_eq!((status(true, Some(&rejected)), status(false, Some(&not_mine))), (YES, YES));
        assert_eq!((status(true, None), status(true, Some(&not_mine))), (NO, NO));
        let word = |wanted, answer| holds(&Condition::ResultAuthentication(wanted), answer, &none);
        assert_eq!(word(Authentication::Challenge, Some(&challenged)), YES);
        assert_eq!(word(Authentication::Reject, Some(&not_mine)), YES);
        assert_eq!(word(Authentication::Reject, None), NO);
        let message = |pattern| Condition::DetailMessage(Regex::new(pattern).unwrap());
        assert_eq!(holds(&message("otp p.n$"), Some(&rejected), &none), YES);
        assert_eq!(holds(&message("exist"), Some(&not_mine), &none), NO);
        let error = Condition::DetailErrorMessage(Regex::new("exist").unwrap());
        assert_eq!(holds(&error, Some(&not_mine), &none), YES);
    }

    #[test]
    fn conditions_about_the_question_are_exact() {
        let none = Facts::default();
        assert_eq!(holds(&Condition::Realm(texts(&["lab", "hq"])), None, &none), YES);
        assert_eq!(holds(&Condition::Realm(texts(&["HQ"])), None, &none), NO);
        let client = |inside: &str, outside: &str| {
            let nets = |text: &str| Networks::parse(text).unwrap();
            holds(&Condition::ClientIp(nets(inside), nets(outside)), None, &none)
        };
        assert_eq!(client("10.0.0.0/8", "10.9.0.0/16"), YES);
        assert_eq!((client("10.0.0.0/8", "10.1.0.0/16"), client("192.0.2.1", "")), (NO, NO));
        assert_eq!(holds(&Condition::LoggedInUser(LoggedIn::User), None, &none), YES);
        assert_eq!(holds(&Condition::LoggedInUser(LoggedIn::Admin), None, &none), NO);
    }

    #[test]
    fn a_condition_about_what_is_not_known_holds_only_where_that_is_wanted() {
        let comparison = Comparison { operator: Operator::Less, number: 5 };
        let about_tokens = [
            Condition::TokenType(texts(&["hotp"])),
            Condition::Serial(Regex::new("^O").unwrap()),
            Condition::TokenLocked(false),
            Condition::FailCounter(comparison),
            Condition::LastAuth(Duration::from_secs(1)),
            Condition::TokenInfo("a".into(), Operator::Equal, "1".into()),
            Condition::RolloutState("".into()),
            Condition::UserTokenNumber(comparison),
            Condition::Resolver(texts(&["r"])),
        ];
        let empty = Facts { token: Some(TokenFacts::default()), ..Facts::default() };
        for condition in about_tokens {
            assert!(condition.is_about_facts());
            assert_eq!(holds(&condition, None, &Facts::default()), UNKNOWN, "{condition:?}");
            assert_eq!(holds(&condition, None, &empty), UNKNOWN, "{condition:?}");
        }
    }

    #[test]
    fn conditions_about_a_known_token_hold_of_it() {
        let token = TokenFacts {
            serial: Some("OATH1".into()),
            token_type: Some("hotp".into()),
            realms: Some(texts(&["hq", "lab"])),
            fail_counter: Some(3),
            last_auth: LastAuth::At(Timestamp::from_millis(0)),
            info: Some(vec![("count".into(), "10".into())]),
            ..TokenFacts::default()
        };
        let facts = Facts { tokens: Some(1), token: Some(token), resolver: Some("r".into()) };
        let compare = |operator, number| Comparison { operator, number };
        let table = [
            (Condition::Serial(Regex::new("^(?:OATH)").unwrap()), YES),
            (Condition::TokenType(texts(&["totp"])), NO),
            (Condition::TokenRealm(texts(&["lab"])), YES),
            (Condition::FailCounter(compare(Operator::AtLeast, 3)), YES),
            (Condition::FailCounter(compare(Operator::NotEqual, 3)), NO),
            (Condition::UserTokenNumber(compare(Operator::Equal, 1)), YES),
            (Condition::LastAuth(Duration::from_secs(3600)), YES),
            (Condition::LastAuth(Duration::from_secs(90_000)), NO),
            (Condition::TokenInfo("count".into(), Operator::Greater, "9".into()), YES),
            (Condition::TokenInfo("none".into(), Operator::Equal, "".into()), NO),
            (Condition::Resolver(texts(&["r"])), YES),
        ];
        for (condition, expected) in table {
            assert_eq!(holds(&condition, None, &facts), expected, "{condition:?}");
        }
        let never = TokenFacts { last_auth: LastAuth::Never, ..TokenFacts::default() };
        let never = Facts { token: Some(never), ..Facts::default() };
        assert_eq!(holds(&Condition::LastAuth(Duration::ZERO), None, &never), NO);
    }
}
