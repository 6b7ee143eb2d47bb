//! Replays every file of `fuzz/corpus` through the functions that are fuzzed.

use std::fs;
use std::path::Path;

#[path = "../fuzz/targets.rs"]
mod targets;

#[test]
fn every_input_that_was_once_of_interest_still_behaves() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut inputs = 0;
    for file in fs::read_dir(fuzz.join("fuzz_targets")).unwrap() {
        let target = file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        let corpus = fuzz.join("corpus").join(&target);
        let before = inputs;
        for input in fs::read_dir(&corpus).unwrap_or_else(|e| panic!("{}: {e}", corpus.display())) {
            let path = input.unwrap().path();
            println!("{}", path.display());
            targets::run(&target, &fs::read(&path).unwrap());
            inputs += 1;
        }
        assert!(inputs > before, "{target} has no corpus");
    }
    assert!(inputs >= 20, "only {inputs} inputs");
}
