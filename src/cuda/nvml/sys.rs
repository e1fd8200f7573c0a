//! Looks whether NVML has the function that `nvml-wrapper` calls without looking.
#![allow(unsafe_code)]

use libloading::Library;

/// Why NVML cannot be used; `None` if it can be opened.
pub fn obstacle(name: &str) -> Option<String> {
    // SAFETY: loads the system's NVIDIA library, which is what the user has asked for.
    let Ok(library) = (unsafe { Library::new(name) }) else {
        return Some(format!("there is no NVML: {name} cannot be loaded"));
    };
    // SAFETY: only looked up, never called through this type.
    let found = unsafe { library.get::<unsafe extern "C" fn()>(b"nvmlShutdown\0") }.is_ok();
    (!found).then(|| {
        format!("{name} is too old, or no NVML: it lacks nvmlShutdown; install a newer driver")
    })
}
