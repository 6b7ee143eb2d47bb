//! The recordings, as files: what was asked of which server, and what came back.

use std::fs;
use std::path::Path;

use serde_json::Value;
use vouchsafe::domain::time::Timestamp;

use crate::aspects::Aspects;

/// The groups that are about answers of `/validate/*`.
const GROUPS: [&str; 9] = [
    "cfg",
    "challenge",
    "check",
    "fed",
    "poll",
    "radiuscheck",
    "samlcheck",
    "special",
    "triggerchallenge",
];

/// One recording.
pub struct Recording {
    /// Its file's name without the ending.
    pub name: String,
    /// When it was answered; if that was not recorded, after all others.
    pub at: Timestamp,
    json: Value,
}

impl Recording {
    /// Which server was asked: `parent` or `child`.
    pub fn server(&self) -> &str {
        self.json["request"]["server"].as_str().unwrap()
    }

    pub fn target(&self) -> &str {
        self.json["request"]["path"].as_str().unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.json["request"]["headers"][name].as_str()
    }

    pub fn body(&self) -> &str {
        self.json["request"]["body"].as_str().unwrap_or_default()
    }

    /// The answer, as what is compared of it.
    pub fn aspects(&self) -> Aspects {
        let response = &self.json["response"];
        let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        let mut aspects = Aspects::of(status, &response["json"]);
        if let Some(seen) = self.json["seen_by_child"].as_array() {
            let asked: Vec<String> = seen.iter().map(|seen| asked(&seen["request"])).collect();
            aspects.set("child is asked", &asked.join("; "));
        }
        aspects
    }

    /// The ids of the challenges in its answer.
    pub fn transaction(&self) -> Option<&str> {
        self.json["response"]["json"]["detail"]["transaction_id"].as_str()
    }
}

/// Whom the child was asked about.
fn asked(request: &Value) -> String {
    let target = request["path"].as_str().unwrap();
    let body = request["body"].as_str().unwrap_or_default();
    let header = |name: &str| request["headers"][name].as_str();
    let (_, read) =
        crate::http::read(target, header("Content-Type"), header("User-Agent"), body.as_bytes());
    crate::http::summary(&read.unwrap())
}

/// All recordings of the groups, in the order in which they were made.
pub fn all() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/edumfa/golden");
    let mut all = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if GROUPS.contains(&name.split('_').next().unwrap()) {
            let json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            all.push(Recording { at: Timestamp::from_millis(time(&json)), name, json });
        }
    }
    let last = all.iter().map(|recording| recording.at).max().unwrap();
    for recording in &mut all {
        if recording.at.as_millis() == 0 {
            recording.at = last.plus(std::time::Duration::from_secs(60));
        }
    }
    all.sort_by(|left, right| (left.at, &left.name).cmp(&(right.at, &right.name)));
    all
}

/// Milliseconds; 0 if it was not recorded. A child that is none says 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "milliseconds of a recording"
)]
fn time(json: &Value) -> u64 {
    let seconds = json["response"]["json"]["time"].as_f64().filter(|seconds| *seconds > 1.0);
    seconds.map_or(0, |seconds| (seconds * 1000.0) as u64)
}
