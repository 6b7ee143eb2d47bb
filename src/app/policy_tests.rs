//! Policy tests, run: each request is explained in a rehearsal, and what differs from what was expected is told.

use crate::app::rehearsal::{Asked, Explanation, Rehearsal, Somebody, moment};
pub use crate::config::policy_tests::PolicyTest;
use crate::config::policy_tests::{Expected, TestRequest};

/// What became of a test.
#[derive(Debug)]
pub enum Outcome {
    /// It is as expected.
    Passed,
    /// It is not: each difference in a line, and how it came about.
    Failed(Vec<String>, Box<Explanation>),
    /// It cannot be asked so.
    Impossible(anyhow::Error),
}

/// Runs one test.
pub async fn run(rehearsal: &Rehearsal, test: &PolicyTest) -> Outcome {
    match explained(rehearsal, &test.request).await {
        Err(error) => Outcome::Impossible(error),
        Ok(explanation) => {
            let differences = differences(&test.expected, &explanation);
            if differences.is_empty() {
                Outcome::Passed
            } else {
                Outcome::Failed(differences, Box::new(explanation))
            }
        }
    }
}

async fn explained(rehearsal: &Rehearsal, request: &TestRequest) -> anyhow::Result<Explanation> {
    let asked = Asked {
        method: request.method.clone(),
        scheme: request.scheme.clone(),
        host: request.host.clone(),
        path: request.path.clone(),
        client: request.client,
        headers: request.headers.clone(),
    };
    let somebody = request.user.as_ref().map(|user| Somebody {
        user: user.clone(),
        master: request.master.clone(),
        variables: request.variables.iter().cloned().collect(),
        session_level: request.session,
        factor_age: request.factor_age,
    });
    let now = moment(request.at.as_deref())?;
    rehearsal.explain(&asked, somebody.as_ref(), now).await
}

fn differences(expected: &Expected, found: &Explanation) -> Vec<String> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, expected: &str, found: &str| {
        differences.push(format!("{what}: expected `{expected}`, got `{found}`"));
    };
    if found.decision != expected.decision {
        differ("decision", expected.decision, &found.decision);
    }
    if let Some(reason) = expected.reason.as_deref().filter(|reason| found.reason != *reason) {
        differ("reason", reason, &found.reason);
    }
    if found.decision == "allow" {
        for (name, value) in &expected.exports {
            let sent = found.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            match sent {
                None => differ(name, value, "no such export of this application"),
                Some(header) if header.value != *value => differ(name, value, &header.value),
                Some(_) => {}
            }
        }
    }
    differences
}
