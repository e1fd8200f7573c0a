//! Looks whether NVML has the function that `nvml-wrapper` calls without looking.
#![allow(unsafe_code)]

use crate::{cuda::library::lacking, os::SearchPath};
use libloading::Library;

/// Why NVML cannot be used; `None` if it can be opened.
pub fn obstacle(name: &str) -> Option<String> {
    let search = SearchPath::system();
    let absent = || {
        let lying_about = search.lying_about(name);
        format!(
            "there is no NVML: {name} cannot be loaded{lying_about}; it comes with NVIDIA's driver; \
             a container needs `utility` in NVIDIA_DRIVER_CAPABILITIES"
        )
    };
    if search.is_broken(name) {
        return Some(absent());
    }
    // SAFETY: loads the system's NVIDIA library, which is what the user has asked for.
    let Ok(library) = (unsafe { Library::new(name) }) else {
        return Some(absent());
    };
    (!lacking(&library, &["nvmlShutdown"]).is_empty()).then(|| {
        format!("{name} is too old, or no NVML: it lacks nvmlShutdown; install a newer driver")
    })
}
