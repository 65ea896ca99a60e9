//! Which instructions the machine has, asked once and carried as a value.

use crate::simd::{Kernel, Portable};

/// A set of instructions that kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// AVX-512 with the byte dot products of VNNI.
    Avx512Vnni,
    /// AVX2 with FMA and F16C.
    Avx2,
    /// Plain Rust: right everywhere, and the reference for the others.
    Portable,
}

/// A path that this machine can run. There is no other way to make one than to ask the machine, so whoever holds a
/// `Cpu` may use its instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cpu {
    path: Path,
}

/// The machine lacks the instructions of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this CPU cannot run the {0:?} kernels")]
pub struct UnsupportedPath(
    /// The path asked for.
    pub Path,
);

impl Cpu {
    /// The fastest path of this machine.
    #[must_use]
    pub fn best() -> Self {
        let path = [Path::Avx512Vnni, Path::Avx2].into_iter().find(|path| supports(*path));
        Self { path: path.unwrap_or(Path::Portable) }
    }

    /// A path by name, for tests and for comparisons.
    ///
    /// # Errors
    ///
    /// The machine lacks its instructions.
    pub fn with(path: Path) -> Result<Self, UnsupportedPath> {
        if supports(path) { Ok(Self { path }) } else { Err(UnsupportedPath(path)) }
    }

    /// Every path of this machine, fastest first.
    #[must_use]
    pub fn every() -> Vec<Self> {
        let paths = [Path::Avx512Vnni, Path::Avx2, Path::Portable];
        paths.into_iter().filter_map(|path| Self::with(path).ok()).collect()
    }

    /// The instructions it stands for.
    #[must_use]
    pub const fn path(self) -> Path {
        self.path
    }

    /// Runs a kernel that is written once for all paths.
    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.path {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Cpu` with this path exists only where `supports` has seen the instructions.
            Path::Avx512Vnni => unsafe { crate::simd::run_avx512(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Path::Avx2 => unsafe { crate::simd::run_avx2(kernel) },
            _ => kernel.run(Portable),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn supports(path: Path) -> bool {
    match path {
        Path::Avx512Vnni => {
            supports(Path::Avx2)
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vnni")
        }
        Path::Avx2 => {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
        }
        Path::Portable => true,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn supports(path: Path) -> bool {
    path == Path::Portable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_path_is_the_first_that_the_machine_can_run() {
        assert_eq!(Cpu::every().first(), Some(&Cpu::best()));
    }

    #[test]
    fn the_portable_path_runs_everywhere() {
        assert_eq!(Cpu::with(Path::Portable).unwrap().path(), Path::Portable);
        assert_eq!(Cpu::every().last().unwrap().path(), Path::Portable);
    }
}
