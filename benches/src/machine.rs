//! What the numbers were measured on.

use std::fs;

/// One line about the machine: processor, cores, memory, kernel and how it was built.
pub fn describe() -> String {
    let field = |file: &str, name: &str| {
        fs::read_to_string(file).ok()?.lines().find_map(|line| {
            Some(
                line.strip_prefix(name)?
                    .trim_start_matches([' ', '\t', ':'])
                    .to_owned(),
            )
        })
    };
    let unknown = || "unknown".to_owned();
    let processor = field("/proc/cpuinfo", "model name").unwrap_or_else(unknown);
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(unknown);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_else(|_| unknown());
    let cores =
        std::thread::available_parallelism().map_or_else(|_| unknown(), |count| count.to_string());
    let build = if cfg!(debug_assertions) {
        "debug build: these numbers mean nothing"
    } else {
        "release build"
    };
    format!(
        "{processor}, {cores} cores, {memory} memory, Linux {}, {build}",
        kernel.trim()
    )
}
