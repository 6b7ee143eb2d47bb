//! Who is where in these tests, and what they have in their hands.
//!
//! The headquarters (a local base, or an eduMFA `hq`) know alice, bob, carol and ponly in `prealm`; the subdivision's
//! eduMFA `lab` knows alice, bob, carol and conly in `crealm`. Alice has a token in either place, ponly and conly have
//! one in the place that knows them, carol's PIN is odd and in the lab all that she needs, bob has no token.

use serde_json::json;

use crate::node::Node;
use crate::support::edumfa::Edumfa;
use crate::support::otp::{hotp, seed};

/// Who is known at the headquarters.
pub const PEOPLE: &[&str] = &["alice", "bob", "carol", "ponly"];

/// Who is known in the lab.
pub const LAB_PEOPLE: &[&str] = &["alice", "bob", "carol", "conly"];

/// A PIN that every encoding on the way has to leave as it is.
pub const ODD_PIN: &str = "p%41+& ü/€%25";

/// A device that shows one OTP after the other, and the PIN to type before them.
pub struct Device {
    pub serial: &'static str,
    pub pin: &'static str,
    byte: u8,
    counter: u64,
}

impl Device {
    const fn new(serial: &'static str, pin: &'static str, byte: u8) -> Self {
        Self { serial, pin, byte, counter: 0 }
    }

    /// What is in it.
    pub fn seed(&self) -> String {
        seed(self.byte)
    }

    /// The next OTP alone.
    pub fn otp(&mut self) -> String {
        let otp = hotp(&self.seed(), self.counter);
        self.counter += 1;
        otp
    }

    /// PIN and next OTP.
    pub fn pass(&mut self) -> String {
        [self.pin, &self.otp()].concat()
    }
}

/// Alice's token at the headquarters.
pub const fn alice_at_hq() -> Device {
    Device::new("P-ALICE", "ppin", 0x11)
}

/// Ponly's only one.
pub const fn ponly() -> Device {
    Device::new("P-PONLY", "ppin", 0x12)
}

/// Carol's token where the headquarters are the daemon itself.
pub const fn carol_at_hq() -> Device {
    Device::new("P-CAROL", ODD_PIN, 0x13)
}

/// Alice's token in the lab.
pub const fn alice_in_lab() -> Device {
    Device::new("C-ALICE", "cpin", 0x21)
}

/// Conly's only one.
pub const fn conly() -> Device {
    Device::new("C-CONLY", "cpin", 0x22)
}

/// Gives the tokens of the headquarters to the daemon itself.
pub fn with_own_tokens(node: &Node) {
    node.import(&[("alice", alice_at_hq()), ("ponly", ponly()), ("carol", carol_at_hq())]);
}

/// Makes the headquarters of an empty eduMFA.
pub fn furnish_hq(hq: &Edumfa) {
    hq.realm("prealm", "ppasswd", PEOPLE);
    enrol(hq, "prealm", "alice", &alice_at_hq());
    enrol(hq, "prealm", "ponly", &ponly());
}

/// Makes the lab of an empty eduMFA.
pub fn furnish_lab(lab: &Edumfa) {
    lab.realm("crealm", "cpasswd", LAB_PEOPLE);
    enrol(lab, "crealm", "alice", &alice_in_lab());
    enrol(lab, "crealm", "conly", &conly());
    lab.token("crealm", "carol", "C-CAROL", &json!({ "type": "spass", "pin": ODD_PIN }));
}

fn enrol(node: &Edumfa, realm: &str, user: &str, device: &Device) {
    let details = json!({ "type": "hotp", "otpkey": device.seed(), "pin": device.pin });
    node.token(realm, user, device.serial, &details);
}

/// A furnished lab.
pub fn lab() -> Edumfa {
    let lab = Edumfa::start();
    furnish_lab(&lab);
    lab
}

/// Furnished headquarters and a furnished lab, which know nothing of each other.
pub fn hq_and_lab() -> (Edumfa, Edumfa) {
    let (hq, lab) = Edumfa::start_two();
    furnish_hq(&hq);
    furnish_lab(&lab);
    (hq, lab)
}
