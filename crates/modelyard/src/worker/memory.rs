//! How much memory this process has.

/// Resident bytes; 0 where the system does not tell.
pub(super) fn resident_bytes() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status.lines().find_map(|line| {
        let value = line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?;
        value.trim().parse::<u64>().ok()
    });
    kibibytes.unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_written_to_counts() {
        let before = resident_bytes();
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(resident_bytes() >= before + (60 << 20));
        drop(block);
    }
}
