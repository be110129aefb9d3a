//! What a process holds: bytes asked of the allocator, and pages resident.

use std::alloc::System;
use std::fs;

use stats_alloc::{Stats, StatsAlloc};

use crate::Failure;

/// The counting allocator. A bench that counts makes it its own:
///
/// ```
/// use approvals_benches::memory::{COUNTING, CountingAllocator};
///
/// #[global_allocator]
/// static ALLOCATOR: &CountingAllocator = &COUNTING;
/// # fn main() {}
/// ```
///
/// A bench that measures time does not: every counted allocation costs two atomic additions.
pub static COUNTING: CountingAllocator = CountingAllocator::system();

/// The type of [`COUNTING`].
pub type CountingAllocator = StatsAlloc<System>;

/// Bytes that are allocated and not freed, in a process that uses [`COUNTING`].
pub fn live_bytes() -> usize {
    let Stats {
        bytes_allocated,
        bytes_deallocated,
        ..
    } = COUNTING.stats();
    bytes_allocated.saturating_sub(bytes_deallocated)
}

/// Bytes of this process that are in physical memory, counted page by page by the kernel.
///
/// # Errors
/// Where `/proc/self/smaps_rollup` cannot be read: anywhere but on Linux.
pub fn resident_bytes() -> Result<usize, Failure> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let kibibytes = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB"))
        .ok_or("`/proc/self/smaps_rollup` has no `Rss`")?;
    Ok(kibibytes.trim().parse::<usize>()? * 1024)
}

/// What `times` runs of `work` ask of the allocator, in a process that uses [`COUNTING`].
/// One run before them, not counted, fills whatever is filled once.
///
/// # Errors
/// The first failure of `work`.
pub fn allocations(
    times: usize,
    mut work: impl FnMut() -> Result<(), Failure>,
) -> Result<PerCall, Failure> {
    work()?;
    let before = COUNTING.stats();
    for _ in 0..times {
        work()?;
    }
    let after = COUNTING.stats();
    let each = |now: usize, then: usize| now.saturating_sub(then) as f64 / times.max(1) as f64;
    Ok(PerCall {
        allocations: each(after.allocations, before.allocations),
        reallocations: each(after.reallocations, before.reallocations),
        bytes: each(after.bytes_allocated, before.bytes_allocated),
    })
}

/// What one call asks of the allocator, averaged over many.
#[derive(Clone, Copy, Debug)]
pub struct PerCall {
    /// New allocations.
    pub allocations: f64,
    /// Allocations that grew or shrank.
    pub reallocations: f64,
    /// Bytes asked for.
    pub bytes: f64,
}
