//! Metrics of MFA nodes. Their names are configured, what can become of a question is a closed enum.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge, IntGaugeVec, Opts};

use crate::domain::node::Verdict;
use crate::telemetry::metrics::{Builder, Metrics};

/// Upper bounds of answer times: a node nearby is near the first, one that sends messages near the last.
const NODE_SECONDS: &[f64] =
    &[1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What became of a question to a node, label of its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeOutcome {
    /// It answered.
    Verdict(Verdict),
    /// It was provably not asked.
    NotSent,
    /// It was asked, and nothing definite came back.
    Unknown,
}

/// Names of the outcomes that are no verdicts, behind those.
const OTHERS: [&str; 2] = ["not_sent", "unknown"];

/// Handles of every metric about nodes, by their places in the list of names.
#[derive(Debug)]
pub struct NodeMetrics {
    questions: Vec<Vec<IntCounter>>,
    seconds: Vec<Histogram>,
    up: Vec<IntGauge>,
}

impl Metrics {
    /// Declares what is measured of the nodes of these names. Once for a registry.
    #[must_use]
    pub fn nodes(&self, names: &[Arc<str>]) -> NodeMetrics {
        let build = Builder(self.registry.clone());
        let questions = build.counters(
            "vouchsafe_mfa_questions_total",
            "Questions to MFA nodes, by node and by what became of them: a verdict, `not_sent` (provably), or \
             `unknown` (nothing definite came back).",
            &["node", "outcome"],
        );
        let seconds = build.histograms(
            "vouchsafe_mfa_question_duration_seconds",
            "Time that an MFA node took to answer, by node.",
            "node",
            NODE_SECONDS,
        );
        let up = build.register(IntGaugeVec::new(
            Opts::new(
                "vouchsafe_mfa_node_up",
                "Whether an MFA node answered the last time, by node.",
            ),
            &["node"],
        ));
        let outcomes = Verdict::ALL.map(Verdict::as_str).into_iter().chain(OTHERS);
        let outcomes: Vec<&str> = outcomes.collect();
        let counters = |name: &Arc<str>| {
            let of = |outcome: &&str| questions.with_label_values(&[&**name, *outcome]);
            outcomes.iter().map(of).collect()
        };
        NodeMetrics {
            questions: names.iter().map(counters).collect(),
            seconds: names.iter().map(|name| seconds.with_label_values(&[&**name])).collect(),
            up: names.iter().map(|name| up.with_label_values(&[&**name])).collect(),
        }
    }
}

impl NodeMetrics {
    /// Counts what became of a question to the node at this place, and its time.
    pub fn asked(&self, node: usize, outcome: NodeOutcome, took: Duration) {
        let index = match outcome {
            NodeOutcome::Verdict(verdict) => verdict as usize,
            NodeOutcome::NotSent => Verdict::ALL.len(),
            NodeOutcome::Unknown => Verdict::ALL.len() + 1,
        };
        if let Some(counter) = self.questions.get(node).and_then(|counters| counters.get(index)) {
            counter.inc();
        }
        if let (false, Some(seconds)) = (outcome == NodeOutcome::NotSent, self.seconds.get(node)) {
            seconds.observe(took.as_secs_f64());
        }
        self.is_up(node, matches!(outcome, NodeOutcome::Verdict(_)));
    }

    /// Tells whether the node at this place answers.
    pub fn is_up(&self, node: usize, is_up: bool) {
        if let Some(gauge) = self.up.get(node) {
            gauge.set(i64::from(is_up));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_of_every_node_has_a_counter_from_the_start() {
        let metrics = Metrics::new(&[]);
        let nodes = metrics.nodes(&["local".into(), "lab".into()]);
        nodes.asked(1, NodeOutcome::Verdict(Verdict::Rejected), Duration::from_millis(3));
        nodes.asked(1, NodeOutcome::Unknown, Duration::from_secs(5));
        nodes.asked(0, NodeOutcome::NotSent, Duration::ZERO);
        nodes.asked(7, NodeOutcome::NotSent, Duration::ZERO);
        let text = String::from_utf8(metrics.exposition().0).unwrap();
        let count = |node: &str, outcome: &str| {
            let start =
                format!("vouchsafe_mfa_questions_total{{node=\"{node}\",outcome=\"{outcome}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(start.as_str()));
            line.unwrap_or_else(|| panic!("no {start} in {text}")).to_owned()
        };
        for verdict in Verdict::ALL {
            let expected = if verdict == Verdict::Rejected { "1" } else { "0" };
            assert_eq!(count("lab", verdict.as_str()), expected);
        }
        assert_eq!([count("lab", "unknown"), count("local", "not_sent")], ["1", "1"]);
        assert!(text.contains("vouchsafe_mfa_node_up{node=\"lab\"} 0"));
    }
}
