//! A library's version, from its file alone. What is not reliable is not told: unknown stays
//! unknown.

use super::LibraryKind;
use crate::os::{Found, elf};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Most bytes of a wheel's list of files that are read; that of PyTorch has 1.5 MB.
const RECORD: u64 = 8 << 20;
/// Most bytes of a library that are searched for a text; NVRTC 13 has 110 MB.
const SEARCHED: u64 = 256 << 20;
/// What stands before NVRTC's version within it, as in every tool of the CUDA toolkit.
const NVRTC: &[u8] = b"Cuda compilation tools, release ";

/// A version as its library's project writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Numbers with dots between.
    pub text: String,
    /// How it is known.
    pub source: VersionSource,
}

/// How a version is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionSource {
    /// From the name of the file that links lead to, as in `libnvinfer.so.10.3.0`.
    FileName,
    /// From the Python package that lists the file as its own.
    Package,
    /// From the library's own content.
    Content,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// The version of a library that was found.
pub fn of(kind: LibraryKind, found: &Found) -> Option<Version> {
    let by = |source| move |text| Version { text, source };
    let name = || of_name(kind, found.real_path.file_name()?.to_str()?);
    let package = || of_package(&found.real_path).or_else(|| of_package(&found.path));
    name()
        .map(by(VersionSource::FileName))
        .or_else(|| package().map(by(VersionSource::Package)))
        .or_else(|| of_content(kind, &found.real_path).map(by(VersionSource::Content)))
}

/// `libnvinfer.so.10.3.0` → 10.3.0. Fewer numbers are those of an interface, but for the driver,
/// whose versions have two or three, the first of them above 100.
fn of_name(kind: LibraryKind, name: &str) -> Option<String> {
    let text = name.strip_prefix(kind.stem())?.strip_prefix(".so.")?;
    let numbers: Vec<u32> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let is_driver = matches!(kind, LibraryKind::CudaDriver | LibraryKind::Nvml);
    let is_whole = match is_driver {
        true => numbers.len() >= 2 && numbers[0] >= 100,
        false => numbers.len() >= 3,
    };
    is_whole.then(|| text.to_owned())
}

/// The version of the Python package that has brought the file: of the `NAME-VERSION.dist-info`
/// beside it or one of the folders around it whose RECORD lists it ("Recording installed projects",
/// packaging.python.org).
fn of_package(library: &Path) -> Option<String> {
    library.ancestors().skip(1).take(5).find_map(|folder| {
        let inside = library.strip_prefix(folder).ok()?.to_str()?;
        let entries = fs::read_dir(folder).ok()?.flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let ours =
            |name: &str| ["nvidia_", "tensorrt", "onnxruntime"].iter().any(|x| name.starts_with(x));
        names.filter(|name| ours(name)).find_map(|name| {
            let (_, version) = name.strip_suffix(".dist-info")?.rsplit_once('-')?;
            lists(&folder.join(&name).join("RECORD"), inside).then(|| version.to_owned())
        })
    })
}

/// Whether a RECORD has a line for that file.
fn lists(record: &Path, file: &str) -> bool {
    let mut text = Vec::new();
    let read = File::open(record).and_then(|record| record.take(RECORD).read_to_end(&mut text));
    let is_line =
        |line: &[u8]| line.strip_prefix(file.as_bytes()).is_some_and(|rest| rest.starts_with(b","));
    read.is_ok() && text.split(|&byte| byte == b'\n').any(is_line)
}

fn of_content(kind: LibraryKind, library: &Path) -> Option<String> {
    match kind {
        LibraryKind::OnnxRuntime => of_symbols(library),
        LibraryKind::Nvrtc => of_text(File::open(library).ok()?).ok()?,
        _ => None,
    }
}

/// ONNX Runtime's symbols are all of the version `VERS_1.26.0`.
fn of_symbols(library: &Path) -> Option<String> {
    let versions = elf::read_file(library).ok()?.versions;
    let mut numbers = versions.iter().filter_map(|version| version.strip_prefix("VERS_"));
    numbers.next().filter(|text| is_version(text)).map(str::to_owned)
}

/// `Cuda compilation tools, release 11.8, V11.8.89` → 11.8.89.
fn of_text(library: impl Read) -> io::Result<Option<String>> {
    let mut library = library.take(SEARCHED);
    let mut window = Vec::new();
    loop {
        let read = library.by_ref().take(1 << 20).read_to_end(&mut window)?;
        if let Some(version) = after_text(&window) {
            return Ok(Some(version));
        }
        if read == 0 {
            return Ok(None);
        }
        // What follows may begin within the end of this.
        window.drain(..window.len().saturating_sub(2 * NVRTC.len()));
    }
}

/// The version on the first line that is NVRTC's, if the line ends within `bytes`.
fn after_text(bytes: &[u8]) -> Option<String> {
    // The first byte alone rules out most places, and costs less than a comparison.
    let is_start = |part: &[u8]| part[0] == NVRTC[0] && part == NVRTC;
    let at = bytes.windows(NVRTC.len()).position(is_start)?;
    let rest = &bytes[at + NVRTC.len()..];
    let end = rest.iter().position(|byte| [0, b'\n'].contains(byte))?;
    let (_, version) = std::str::from_utf8(&rest[..end]).ok()?.split_once(", V")?;
    is_version(version).then(|| version.to_owned())
}

/// Whether it is three or four numbers with dots between.
fn is_version(text: &str) -> bool {
    let number = |part: &str| (1..=9).contains(&part.len()) && part.parse::<u32>().is_ok();
    (3..=4).contains(&text.split('.').count()) && text.split('.').all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_with_a_whole_version_tells_it() {
        use LibraryKind::{CudaDriver, CudaRuntime, Cudnn, Nvml, Nvrtc, Tensorrt};
        for (kind, name, version) in [
            (Tensorrt, "libnvinfer.so.10.3.0", Some("10.3.0")),
            (Tensorrt, "libnvinfer.so.10", None),
            (Tensorrt, "libnvinfer_plugin.so.10.3.0", None),
            (Cudnn, "libcudnn.so.9.5.1", Some("9.5.1")),
            (CudaRuntime, "libcudart.so.11.0", None),
            (CudaRuntime, "libcudart.so.12.4.127", Some("12.4.127")),
            (Nvrtc, "libnvrtc.so.11.2", None),
            (Nvml, "libnvidia-ml.so.535.104.05", Some("535.104.05")),
            (CudaDriver, "libcuda.so.390.87", Some("390.87")),
            (CudaDriver, "libcuda.so.1.1", None),
            (CudaDriver, "libcuda.so", None),
        ] {
            assert_eq!(of_name(kind, name).as_deref(), version, "{name}");
        }
    }

    #[test]
    fn a_package_tells_the_version_of_the_files_that_it_lists() {
        let root = tempfile::tempdir().unwrap();
        let library = root.path().join("nvidia/cudnn/lib/libcudnn.so.9");
        let info = root.path().join("nvidia_cudnn_cu12-9.5.1.17.dist-info");
        let other = root.path().join("nvidia_cudnn_cu11-8.0.0.dist-info");
        fs::create_dir_all(&info).unwrap();
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join("RECORD"), "nvidia/cudnn/lib/libcudnn.so.90,sha256=x,1\n").unwrap();
        assert_eq!(of_package(&library), None);
        fs::write(info.join("RECORD"), "a,,\nnvidia/cudnn/lib/libcudnn.so.9,sha256=x,1\n").unwrap();
        assert_eq!(of_package(&library).as_deref(), Some("9.5.1.17"));
    }

    #[test]
    fn nvrtc_tells_its_version_wherever_the_text_lies() {
        let text = b"Cuda compilation tools, release 11.8, V11.8.89\0";
        for before in [0, (1 << 20) - 46, (1 << 20) - 45, (1 << 20) - 40, (1 << 20) - 3, 3 << 20] {
            let bytes = [&vec![b'C'; before], &text[..], &[1; 99]].concat();
            assert_eq!(of_text(&*bytes).unwrap().as_deref(), Some("11.8.89"), "{before}");
        }
        assert_eq!(of_text(&b"Cuda compilation tools, release x"[..]).unwrap(), None);
    }
}
