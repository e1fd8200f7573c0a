//! Looks whether NVML has the function that `nvml-wrapper` calls without looking.
#![allow(unsafe_code)]

use crate::cuda::library::lacking;
use libloading::Library;

/// Why NVML cannot be used; `None` if it can be opened.
pub fn obstacle(name: &str) -> Option<String> {
    // SAFETY: loads the system's NVIDIA library, which is what the user has asked for.
    let Ok(library) = (unsafe { Library::new(name) }) else {
        return Some(format!("there is no NVML: {name} cannot be loaded"));
    };
    (!lacking(&library, &["nvmlShutdown"]).is_empty()).then(|| {
        format!("{name} is too old, or no NVML: it lacks nvmlShutdown; install a newer driver")
    })
}
