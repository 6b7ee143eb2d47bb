//! Wire formats of others, both ways: what they send is read strictly, what we send is what they read.
//!
//! Must not know: who asks, what an answer is worth, stores, sockets, the clock.

pub mod edumfa;
