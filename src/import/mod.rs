//! Configurations of other programs, translated into `config.yaml`; one folder a program.
//!
//! What is read here is foreign: it is bounded, and whatever is not understood denies.
//! Must not know: how a configuration is compiled. It writes text, and asks `config` whether that is good.

pub mod edumfa;
pub mod llng;
pub mod report;
mod yaml;
