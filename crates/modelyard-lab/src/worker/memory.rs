//! How much of its memory a job uses.

/// What counts towards the limit on memory: private writable memory, as the kernel counts it for that limit. `None` where
/// the kernel does not say.
pub(crate) fn counted_bytes() -> Option<u64> {
    status("VmData:")
}

/// What is in the machine's memory; 0 where the kernel does not say.
pub(crate) fn resident_bytes() -> u64 {
    status("VmRSS:").unwrap_or(0)
}

fn status(name: &str) -> Option<u64> {
    let text = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_taken_is_counted() {
        let taken = std::hint::black_box(vec![1_u8; 64 << 20]);
        // The allocator may have taken it from what was counted already.
        assert!(counted_bytes().unwrap() >= taken.len() as u64);
        assert!(resident_bytes() >= taken.len() as u64);
    }
}
