//! Which ONNX Runtime is installed, by content.
//!
//! The library comes out of a wheel. The wheels of one release for different Python versions hold the very same
//! library, so one wheel for each kind of machine is pinned, whatever Python is there to fetch it.

/// The release that is installed.
pub(crate) const VERSION: &str = "1.31.1";
/// The Python version of the pinned wheels.
pub(crate) const WHEEL_PYTHON: &str = "3.11";

/// The wheel for one kind of machine and the library in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin {
    /// The machine's architecture as Rust calls it.
    pub(crate) architecture: &'static str,
    /// The wheel's platform tag.
    pub(crate) platform: &'static str,
    /// SHA-256 of the wheel.
    pub(crate) wheel: &'static str,
    /// SHA-256 of the library.
    pub(crate) library: &'static str,
    /// Bytes of the library.
    pub(crate) library_size: u64,
}

/// Every pinned wheel.
pub(crate) const PINS: [Pin; 2] = [
    Pin {
        architecture: "x86_64",
        platform: "manylinux_2_28_x86_64",
        wheel: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
        library: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        library_size: 29_352_200,
    },
    Pin {
        architecture: "aarch64",
        platform: "manylinux_2_28_aarch64",
        wheel: "da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3",
        library: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        library_size: 25_265_040,
    },
];

/// The library's name in the wheel.
pub(crate) fn member() -> String {
    format!("onnxruntime/capi/libonnxruntime.so.{VERSION}")
}

/// The pin for this machine; none on other architectures and systems.
pub(crate) fn for_this_machine() -> Option<Pin> {
    let here = std::env::consts::ARCH;
    PINS.into_iter().find(|pin| cfg!(target_os = "linux") && pin.architecture == here)
}

#[cfg(test)]
mod tests {
    use yard_types::Digest;

    use super::*;

    #[test]
    fn every_pin_is_a_digest() {
        for pin in PINS {
            assert!(pin.wheel.parse::<Digest>().is_ok() && pin.library.parse::<Digest>().is_ok(), "{pin:?}");
        }
    }
}
