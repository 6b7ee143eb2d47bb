//! `mfa.regulation`: what slows down guessing.

use crate::config::RegulationSettings;
use crate::config::compile::{Compiler, sessions};
use crate::config::key_path::KeyPath;
use crate::config::raw::RawRegulation;

/// Checks `mfa.regulation`.
pub fn regulation(
    raw: &RawRegulation,
    path: &KeyPath,
    compiler: &mut Compiler<'_>,
) -> Option<RegulationSettings> {
    let pause = sessions::span(&raw.pause, &path.key("pause"), compiler);
    let longest_at = path.key("longest_pause");
    let longest_pause = sessions::span(&raw.longest_pause, &longest_at, compiler);
    if let (Some(pause), Some(longest)) = (pause, longest_pause)
        && longest < pause
    {
        let pause = humantime::format_duration(pause);
        let text = format!("shorter than `pause`, which is {pause}; make it at least that");
        compiler.error(&longest_at, &text);
    }
    let text = "0 failures a minute would keep everybody out; write at least 1";
    let per_client = compiler.positive(&path.key("per_client"), raw.per_client, text);
    Some(RegulationSettings {
        free_failures: raw.free_failures,
        pause: pause?,
        longest_pause: longest_pause?,
        per_client: per_client?.get(),
    })
}
