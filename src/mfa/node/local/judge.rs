//! What a secret means for the tokens that it may belong to: which of them it is right for, what is said about it,
//! and which of them have changed. Pure; the PINs were verified before (`Proofs`).
//!
//! Must not know: stores, users, questions other than their secret.

use crate::domain::node::{Answer, Challenge, Verdict};
use crate::domain::secret::Secret;
use crate::domain::time::Timestamp;
use crate::mfa::settings::{LocalSettings, PinPosition, TokenKind};
use crate::mfa::token::pin::{Claim, Proofs};
use crate::mfa::token::record::Token;

/// What a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// PIN and OTP, or the PIN alone.
    PinAndOtp,
    /// The OTP alone, as the caller says (F10).
    OtpAlone,
    /// The answer to a challenge that these tokens wait for.
    Response,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    pub answer: Answer,
    /// Places of the tokens that are no longer what they were.
    pub changed: Vec<usize>,
    /// Places of those whose failures were raised.
    pub raised: Vec<usize>,
}

/// What a token says to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Match {
    Valid,
    Request,
    PinOnly,
    Nothing,
}

/// What has to be verified before [`judge`] can judge.
pub(super) fn claims(
    tokens: &[Token],
    secret: &str,
    form: Form,
    settings: &LocalSettings,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    for token in tokens {
        let mut claim = |hash: Option<_>, text: &str, is_second_chance| {
            if let Some(hash) = hash {
                let text = Secret::new(text.as_bytes().to_vec());
                claims.push(Claim { hash, text, is_second_chance });
            }
        };
        let password = token.password.as_ref().map(|(hash, _)| hash.clone());
        if form != Form::PinAndOtp {
            claim(password, secret, false);
            continue;
        }
        if token.kind == TokenKind::Spass {
            claim(token.pin.clone(), secret, false);
            continue;
        }
        let parts = split(secret, token.otp_length(), settings.pin);
        if let Some((pin, otp)) = parts {
            claim(password, otp, false);
            claim(token.pin.clone(), pin, false);
        }
        if asks(token.kind, settings) {
            claim(token.pin.clone(), secret, parts.is_some());
        }
    }
    claims
}

/// Judges. Tokens are changed in place; only those of [`Outcome::changed`] may be written.
pub(super) fn judge(
    tokens: &mut [Token],
    secret: &str,
    form: Form,
    proofs: &Proofs,
    settings: &LocalSettings,
    now: Timestamp,
) -> Outcome {
    let mut matches = Vec::with_capacity(tokens.len());
    for token in tokens.iter_mut() {
        token.lift(settings, now);
        matches.push(match form {
            Form::PinAndOtp => look(token, secret, proofs, settings, now),
            Form::OtpAlone | Form::Response => {
                let right = has_otp(token, secret, proofs, settings, now);
                if right { Match::Valid } else { Match::PinOnly }
            }
        });
    }
    let places = |wanted: Match| -> Vec<usize> {
        (0..).zip(&matches).filter(|&(_, found)| *found == wanted).map(|(place, _)| place).collect()
    };
    let valid = places(Match::Valid);
    if !valid.is_empty() {
        return accept(tokens, &valid, form, settings, now);
    }
    let requests = places(Match::Request);
    if !requests.is_empty() {
        return challenge(tokens, &requests, settings, now);
    }
    let pins = places(Match::PinOnly);
    if !pins.is_empty() {
        let answer = wrong_otp(tokens, &pins, secret, form, settings);
        return reject(tokens, &pins, answer, settings, now);
    }
    let all = places(Match::Nothing);
    let answer = Answer::new(Verdict::Rejected, "wrong otp pin");
    reject(tokens, &all, answer, settings, now)
}

/// Challenges for those of the tokens that take part in them and may be used.
pub(super) fn trigger(tokens: &mut [Token], settings: &LocalSettings, now: Timestamp) -> Answer {
    let asked = |token: &Token| asks(token.kind, settings);
    let places: Vec<_> =
        (0..).zip(&*tokens).filter(|(_, token)| asked(token)).map(|(place, _)| place).collect();
    challenge(tokens, &places, settings, now).answer
}

/// Whether tokens of this kind ask for their OTP in a second step. An SPASS token has none to ask for.
fn asks(kind: TokenKind, settings: &LocalSettings) -> bool {
    kind != TokenKind::Spass && settings.challenge_response.contains(&kind)
}

/// PIN and OTP, by the number of characters that the OTP has; `None` if there are fewer.
fn split(secret: &str, length: u16, position: PinPosition) -> Option<(&str, &str)> {
    let length = usize::from(length);
    let characters = secret.chars().count();
    let pin = characters.checked_sub(length)?;
    let at = |place: usize| secret.char_indices().nth(place).map_or(secret.len(), |(at, _)| at);
    match position {
        PinPosition::Front => secret.split_at_checked(at(pin)),
        PinPosition::Behind => secret.split_at_checked(at(length)).map(|(otp, pin)| (pin, otp)),
    }
}

fn has_pin(token: &Token, text: &str, proofs: &Proofs) -> bool {
    token.pin.as_ref().map_or(text.is_empty(), |hash| proofs.hold(hash, text))
}

/// Whether `text` is the token's OTP or password; an OTP is spent.
fn has_otp(
    token: &mut Token,
    text: &str,
    proofs: &Proofs,
    settings: &LocalSettings,
    now: Timestamp,
) -> bool {
    match token.kind {
        TokenKind::Hotp | TokenKind::Totp => token.spend(text, settings, now),
        TokenKind::Password => {
            token.password.as_ref().is_some_and(|(hash, _)| proofs.hold(hash, text))
        }
        TokenKind::Spass => false,
    }
}

fn look(
    token: &mut Token,
    secret: &str,
    proofs: &Proofs,
    settings: &LocalSettings,
    now: Timestamp,
) -> Match {
    if token.kind == TokenKind::Spass {
        // One without a PIN would accept everybody who says nothing.
        let right = token.pin.is_some() && has_pin(token, secret, proofs);
        return if right { Match::Valid } else { Match::Nothing };
    }
    if asks(token.kind, settings) && has_pin(token, secret, proofs) {
        return Match::Request;
    }
    match split(secret, token.otp_length(), settings.pin) {
        Some((pin, otp)) if has_pin(token, pin, proofs) => {
            if has_otp(token, otp, proofs, settings, now) { Match::Valid } else { Match::PinOnly }
        }
        Some(_) | None => Match::Nothing,
    }
}

/// The secret is right for these tokens; whether they may be used is another question, and what they spent is spent.
fn accept(
    tokens: &mut [Token],
    places: &[usize],
    form: Form,
    settings: &LocalSettings,
    now: Timestamp,
) -> Outcome {
    let mut reasons = Vec::new();
    let mut is_accepted = false;
    let mut changed = Vec::new();
    for &place in places {
        let Some(token) = tokens.get_mut(place) else { continue };
        match token.fit(settings, now) {
            Ok(()) => {
                is_accepted = true;
                token.succeed(now);
                changed.push(place);
            }
            Err(unfit) => {
                reasons.push(unfit.as_str());
                if matches!(token.kind, TokenKind::Hotp | TokenKind::Totp) {
                    changed.push(place);
                }
            }
        }
    }
    let verdict = if is_accepted { Verdict::Accepted } else { Verdict::Rejected };
    let matching = format!("matching {} tokens", places.len());
    let message = match form {
        Form::PinAndOtp => [&[matching.as_str()], reasons.as_slice()].concat().join(", "),
        Form::Response if is_accepted => "Found matching challenge".to_owned(),
        Form::Response => {
            let words = "Challenge matches, but token is not fit for challenge";
            [&[words], reasons.as_slice()].concat().join(". ")
        }
        Form::OtpAlone if is_accepted => String::new(),
        Form::OtpAlone => "OTP verification failed.".to_owned(),
    };
    let answer = concerning(tokens, places, Answer::new(verdict, &message));
    Outcome { answer, changed, raised: Vec::new() }
}

fn challenge(
    tokens: &mut [Token],
    places: &[usize],
    settings: &LocalSettings,
    now: Timestamp,
) -> Outcome {
    let mut challenges = Vec::new();
    for &place in places {
        let Some(token) = tokens.get_mut(place) else { continue };
        token.lift(settings, now);
        if token.fit(settings, now).is_ok() {
            challenges.push(Challenge {
                serial: token.serial.clone(),
                token_type: token.kind.as_str().into(),
                message: "please enter otp: ".into(),
                client_mode: "interactive".into(),
            });
        }
    }
    let answer = if let Some(last) = challenges.last() {
        let message = challenges.iter().map(|challenge| &*challenge.message).collect::<Vec<_>>();
        let (serial, token_type) = (last.serial.clone(), last.token_type.clone());
        let answer = Answer::new(Verdict::Challenged, &message.join(", "));
        Answer { serial, token_type, challenges, ..answer }
    } else {
        Answer::new(Verdict::Rejected, "No active challenge response token found")
    };
    Outcome { answer, changed: Vec::new(), raised: Vec::new() }
}

fn wrong_otp(
    tokens: &[Token],
    places: &[usize],
    secret: &str,
    form: Form,
    settings: &LocalSettings,
) -> Answer {
    let only = match places {
        &[place] => tokens.get(place),
        _ => None,
    };
    let message = match form {
        Form::OtpAlone => "OTP verification failed.".to_owned(),
        Form::Response if only.is_some() => "Response did not match the challenge.".to_owned(),
        Form::Response => format!("Response did not match for {} tokens.", places.len()),
        Form::PinAndOtp => {
            let again = only.is_some_and(|token| {
                let parts = split(secret, token.otp_length(), settings.pin);
                parts.is_some_and(|(_, otp)| token.is_previous(otp))
            });
            format!("wrong otp value{}", if again { ". previous otp used again" } else { "" })
        }
    };
    concerning(tokens, places, Answer::new(Verdict::Rejected, &message))
}

/// Counts a failure of these tokens. Those that are locked stay as they were.
fn reject(
    tokens: &mut [Token],
    places: &[usize],
    answer: Answer,
    settings: &LocalSettings,
    now: Timestamp,
) -> Outcome {
    let mut raised = Vec::new();
    for &place in places {
        if tokens.get_mut(place).is_some_and(|token| token.fail(settings, now)) {
            raised.push(place);
        }
    }
    Outcome { answer, changed: raised.clone(), raised }
}

/// The token that an answer is about, if it is exactly one (F1); the type, if all have the same.
fn concerning(tokens: &[Token], places: &[usize], mut answer: Answer) -> Answer {
    let mut about = places.iter().filter_map(|&place| tokens.get(place));
    if let Some(first) = about.next() {
        let others: Vec<_> = about.collect();
        if others.is_empty() {
            answer.serial = first.serial.clone();
            answer.otp_length = Some(first.otp_length());
        }
        if others.iter().all(|token| token.kind == first.kind) {
            answer.token_type = first.kind.as_str().into();
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_split_by_characters_on_either_side() {
        use PinPosition::{Behind, Front};
        for (secret, length, position, expected) in [
            ("cpin123456", 6, Front, Some(("cpin", "123456"))),
            ("123456cpin", 6, Behind, Some(("cpin", "123456"))),
            ("123456", 6, Front, Some(("", "123456"))),
            ("123456", 6, Behind, Some(("", "123456"))),
            ("12345", 6, Front, None),
            ("", 6, Front, None),
            ("pïnpässwört", 8, Front, Some(("pïn", "pässwört"))),
            ("pässwörtpïn", 8, Behind, Some(("pïn", "pässwört"))),
            ("x", 0, Front, Some(("x", ""))),
        ] {
            assert_eq!(split(secret, length, position), expected, "{secret}");
        }
    }
}
