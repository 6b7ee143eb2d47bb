//! Conditions of handlers in words: as they were understood, in eduMFA's names.

use std::fmt::Display;

use crate::mfa::settings::{Authentication, Comparison, Condition, LoggedIn, Operator};

/// A condition as `name: value`.
#[must_use]
pub fn text(condition: &Condition) -> String {
    let say = |name: &str, value: &dyn Display| format!("{name}: {value}");
    match condition {
        Condition::ResultValue(wanted) => say("result_value", wanted),
        Condition::ResultStatus(wanted) => say("result_status", wanted),
        Condition::ResultAuthentication(wanted) => {
            let word = match wanted {
                Authentication::Accept => "ACCEPT",
                Authentication::Challenge => "CHALLENGE",
                Authentication::Declined => "DECLINED",
                Authentication::Reject => "REJECT",
            };
            say("result_authentication", &word)
        }
        Condition::Realm(realms) => say("realm", &realms.join(", ")),
        Condition::Resolver(resolvers) => say("resolver", &resolvers.join(", ")),
        Condition::ClientIp(inside, outside) if outside.is_empty() => say("client_ip", inside),
        Condition::ClientIp(inside, outside) => {
            format!("client_ip: {inside}, but not {outside}")
        }
        Condition::LoggedInUser(LoggedIn::Admin) => say("logged_in_user", &"admin"),
        Condition::LoggedInUser(LoggedIn::User) => say("logged_in_user", &"user"),
        Condition::DetailMessage(pattern) => say("detail_message", pattern),
        Condition::DetailErrorMessage(pattern) => say("detail_error_message", pattern),
        Condition::UserTokenNumber(wanted) => compared("user_token_number", wanted),
        Condition::Serial(pattern) => say("serial", pattern),
        Condition::TokenType(types) => say("tokentype", &types.join(", ")),
        Condition::TokenRealm(realms) => say("tokenrealm", &realms.join(", ")),
        Condition::TokenResolver(resolvers) => say("tokenresolver", &resolvers.join(", ")),
        Condition::TokenLocked(wanted) => say("token_locked", wanted),
        Condition::TokenHasOwner(wanted) => say("token_has_owner", wanted),
        Condition::TokenIsOrphaned(wanted) => say("token_is_orphaned", wanted),
        Condition::TokenIsValid(wanted) => say("token_validity_period", wanted),
        Condition::OtpCounter(wanted) => compared("otp_counter", wanted),
        Condition::FailCounter(wanted) => compared("failcounter", wanted),
        Condition::CountAuth(wanted) => compared("count_auth", wanted),
        Condition::CountAuthSuccess(wanted) => compared("count_auth_success", wanted),
        Condition::CountAuthFail(wanted) => compared("count_auth_fail", wanted),
        Condition::LastAuth(span) => {
            format!("last_auth: longer ago than {}", humantime::format_duration(*span))
        }
        Condition::RolloutState(state) => say("rollout_state", state),
        Condition::TokenInfo(key, operator, value) => {
            format!("tokeninfo: {key} {} {value}", sign(*operator))
        }
    }
}

fn compared(name: &str, Comparison { operator, number }: &Comparison) -> String {
    format!("{name}: {} {number}", sign(*operator))
}

const fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::AtMost => "<=",
        Operator::Greater => ">",
        Operator::AtLeast => ">=",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use regex::Regex;

    use super::*;
    use crate::domain::network::Networks;

    #[test]
    fn a_condition_is_told_as_it_was_understood() {
        let nets = |text: &str| Networks::parse(text).unwrap();
        let comparison = Comparison { operator: Operator::AtLeast, number: 3 };
        for (condition, expected) in [
            (Condition::ResultValue(false), "result_value: false"),
            (
                Condition::ResultAuthentication(Authentication::Challenge),
                "result_authentication: CHALLENGE",
            ),
            (Condition::Realm(vec!["a".into(), "b".into()]), "realm: a, b"),
            (
                Condition::ClientIp(nets("10.0.0.0/8 192.0.2.1"), nets("10.1.0.0/16")),
                "client_ip: 10.0.0.0/8 192.0.2.1/32, but not 10.1.0.0/16",
            ),
            (Condition::ClientIp(nets("10.0.0.0/8"), nets("")), "client_ip: 10.0.0.0/8"),
            (Condition::Serial(Regex::new("^(?:OATH)").unwrap()), "serial: ^(?:OATH)"),
            (Condition::FailCounter(comparison), "failcounter: >= 3"),
            (Condition::LastAuth(Duration::from_secs(3600)), "last_auth: longer ago than 1h"),
            (Condition::TokenInfo("k".into(), Operator::Less, "2".into()), "tokeninfo: k < 2"),
        ] {
            assert_eq!(text(&condition), expected);
        }
    }
}
