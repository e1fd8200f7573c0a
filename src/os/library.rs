//! Where the system's loader would look for a shared library, and what lies there. Loads nothing
//! and runs nothing; follows ld.so(8) of the GNU C library. Other systems have their own ways:
//! there the system's search path is empty.

use super::{elf, files::printable};
use std::{
    collections::BTreeSet,
    env,
    ffi::OsStr,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// Where the loader keeps the places of libraries.
const CACHE: &str = "/etc/ld.so.cache";
/// Most bytes of it that are read; that of a full desktop has 300 kB.
const CACHE_BYTES: u64 = 32 << 20;

/// Folders that the loader always searches, `{}` being the architecture.
const DEFAULTS: [&str; 6] =
    ["/lib/{}-linux-gnu", "/usr/lib/{}-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];

/// Folders that NVIDIA's installers, containers and wheels use without telling the loader.
const ELSEWHERE: [&str; 8] = [
    "/usr/local/cuda*/lib64",
    "/usr/local/nvidia/lib64",
    "/usr/lib/wsl/lib",
    "/opt/tensorrt*/lib",
    "/opt/TensorRT*/lib",
    "/usr/local/TensorRT*/lib",
    "/usr/local/lib/python3*/*-packages/nvidia/*/lib",
    "/usr/local/lib/python3*/*-packages/tensorrt*",
];

/// The same of a Python environment, below the folders that these variables name.
const ENVIRONMENTS: [&str; 2] = ["VIRTUAL_ENV", "CONDA_PREFIX"];
const IN_ENVIRONMENT: [&str; 2] =
    ["lib/python3*/site-packages/nvidia/*/lib", "lib/python3*/site-packages/tensorrt*"];

/// Places of libraries, in the order in which the loader looks at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    /// Folders before all others: those of `LD_LIBRARY_PATH`.
    pub first: Vec<PathBuf>,
    /// Files that the loader's cache names.
    pub cache: Vec<PathBuf>,
    /// Folders that the loader searches at last.
    pub last: Vec<PathBuf>,
    /// Folders where libraries often are, but the loader does not look.
    pub elsewhere: Vec<PathBuf>,
}

/// A file with a library's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it was found.
    pub path: PathBuf,
    /// Whether the loader looks there for this name.
    pub on_loader_path: bool,
    /// The file that links lead to; `path` itself where they lead nowhere.
    pub real_path: PathBuf,
    /// The name that it gives itself.
    pub soname: Option<String>,
    /// Why it cannot be loaded on this machine, as far as its headers tell.
    pub problem: Option<String>,
}

impl SearchPath {
    /// What holds for this process now; empty where the system is not Linux.
    pub fn system() -> Self {
        if !cfg!(target_os = "linux") {
            return Self::default();
        }
        let default = |pattern: &&str| PathBuf::from(pattern.replace("{}", env::consts::ARCH));
        Self {
            first: env::var_os("LD_LIBRARY_PATH").map(|list| folders(&list)).unwrap_or_default(),
            cache: places(&read_cache(Path::new(CACHE)).unwrap_or_default()).unwrap_or_default(),
            last: DEFAULTS.iter().map(default).collect(),
            elsewhere: elsewhere(),
        }
    }

    /// Files of that name, in the order in which the loader looks at them; those where it does not
    /// look come last.
    pub fn candidates(&self, name: &str) -> Vec<PathBuf> {
        self.places(name).into_iter().map(|(path, _)| path).collect()
    }

    /// Files of that name as [`SearchPath::candidates`] orders them, and what they are; a file that
    /// is found by several ways is there once.
    pub fn find(&self, name: &str) -> Vec<Found> {
        let mut seen = BTreeSet::new();
        let places = self.places(name).into_iter();
        let found = places.map(|(path, on_loader_path)| Found::at(path, on_loader_path));
        found.filter(|found| seen.insert(found.real_path.clone())).collect()
    }

    /// Whether there are files of that name where the loader looks, but all of them are broken or for
    /// another machine. A process that loads one that is cut off dies of it.
    pub fn is_broken(&self, name: &str) -> bool {
        let found = self.find(name);
        let mut looked_at = found.iter().filter(|found| found.on_loader_path).peekable();
        looked_at.peek().is_some() && looked_at.all(|found| found.problem.is_some())
    }

    /// What lies about under that name, for a message that says that it does not load; empty where
    /// nothing does.
    pub fn lying_about(&self, name: &str) -> String {
        let describe = |found: Found| {
            let why = match (&found.problem, found.on_loader_path) {
                (Some(problem), _) => problem.clone(),
                (None, false) => "the system's loader does not look there".to_owned(),
                (None, true) => return None,
            };
            Some(format!("; {} is there, but {why}", printable(&found.path)))
        };
        self.find(name).into_iter().filter_map(describe).collect()
    }

    /// Names of the libraries here that are called `stem`, with or without a version: `libx.so`,
    /// `libx.so.1`, `libx.so.1.2.3`.
    pub fn names(&self, stem: &str) -> BTreeSet<String> {
        let cached = self.cache.iter().filter_map(|path| path.file_name()).map(OsStr::to_owned);
        let folders = [&self.first, &self.last, &self.elsewhere].into_iter().flatten();
        let listed = folders.flat_map(|folder| entries(folder));
        let names = cached.chain(listed).filter_map(|name| name.into_string().ok());
        names.filter(|name| is_named(name, stem)).collect()
    }

    /// The first file of that name that the loader would take: one for this machine, in one of a
    /// library's `own` folders or where the loader looks for all.
    pub fn resolve(&self, name: &str, own: &[PathBuf]) -> Option<PathBuf> {
        // A name with a slash is a path, and is not searched for.
        if name.contains('/') {
            return Some(PathBuf::from(name)).filter(|path| path.is_file());
        }
        let own = own.iter().map(|folder| folder.join(name));
        let searched = self.places(name).into_iter().filter(|(_, on_loader_path)| *on_loader_path);
        let mut all = own.chain(searched.map(|(path, _)| path));
        all.find(|path| elf::check_file(path, env::consts::ARCH).is_ok())
    }

    /// Places of that name where there is something, and whether the loader looks there.
    fn places(&self, name: &str) -> Vec<(PathBuf, bool)> {
        if name.is_empty() || name.contains('/') {
            return Vec::new();
        }
        let within = |folders: &[PathBuf], looks: bool| -> Vec<(PathBuf, bool)> {
            folders.iter().map(|folder| (folder.join(name), looks)).collect()
        };
        let named = |path: &&PathBuf| path.file_name().is_some_and(|file| file == name);
        let cached = self.cache.iter().filter(named).map(|path| (path.clone(), true)).collect();
        let mut seen = BTreeSet::new();
        let mut all = [
            within(&self.first, true),
            cached,
            within(&self.last, true),
            within(&self.elsewhere, false),
        ]
        .concat();
        // A link to nowhere counts: it is what is wrong.
        all.retain(|(path, _)| path.symlink_metadata().is_ok() && seen.insert(path.clone()));
        all
    }
}

impl Found {
    /// Looks at one file.
    pub fn at(path: PathBuf, on_loader_path: bool) -> Self {
        Self {
            real_path: path.canonicalize().unwrap_or_else(|_| path.clone()),
            soname: elf::read_file(&path).ok().and_then(|said| said.soname),
            problem: elf::check_file(&path, env::consts::ARCH).err(),
            path,
            on_loader_path,
        }
    }

    /// Whether it is found by the name that it gives itself, by which others ask for it.
    pub fn has_own_name(&self) -> bool {
        let name = self.path.file_name();
        self.soname.as_ref().is_none_or(|soname| name == Some(OsStr::new(soname)))
    }
}

/// Whether a file of that name is the library `stem`, of whatever version.
pub fn is_named(name: &str, stem: &str) -> bool {
    let rest = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix(".so"));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_some_and(|rest| {
        let mut parts = rest.split('.');
        parts.next() == Some("") && parts.all(number)
    })
}

/// The folders of a list such as `LD_LIBRARY_PATH`; an empty one is the present folder.
fn folders(list: &OsStr) -> Vec<PathBuf> {
    let lists = env::split_paths(list);
    let folder = |path: PathBuf| match path.as_os_str().is_empty() {
        true => env::current_dir().ok(),
        false => std::path::absolute(path).ok(),
    };
    lists.filter_map(folder).collect()
}

fn elsewhere() -> Vec<PathBuf> {
    let below = |root: PathBuf| IN_ENVIRONMENT.map(|pattern| root.join(pattern));
    let roots = ENVIRONMENTS.iter().filter_map(env::var_os).filter(|root| !root.is_empty());
    let own = roots.flat_map(|root| below(root.into()));
    ELSEWHERE.iter().map(PathBuf::from).chain(own).flat_map(|pattern| expand(&pattern)).collect()
}

/// Folders that a pattern stands for; `*` stands for any characters of one name.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in pattern {
        let step = |folder: PathBuf| match part.to_str().filter(|part| part.contains('*')) {
            Some(part) => matching(&folder, part),
            None => vec![folder.join(part)],
        };
        found = found.into_iter().flat_map(step).collect();
    }
    found.retain(|folder| folder.is_dir());
    found
}

/// What in `folder` has a name like `pattern`, in the order of names.
fn matching(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let names: BTreeSet<String> =
        entries(folder).into_iter().filter_map(|name| name.into_string().ok()).collect();
    let matching = names.into_iter().filter(|name| fast_glob::glob_match(pattern, name));
    matching.map(|name| folder.join(name)).collect()
}

/// Names in a folder; none where it cannot be read.
fn entries(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

fn read_cache(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(CACHE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Files that the loader's cache names, in its order; none where it is malformed. Layout after
/// `sysdeps/generic/dl-cache.h` of the GNU C library 2.42, in the byte order of this machine.
fn places(cache: &[u8]) -> Option<Vec<PathBuf>> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    // Until 2.32 the new cache followed on one of the old form, whose entries have 12 bytes.
    let start = match cache.starts_with(OLD_MAGIC) {
        true => number(cache, 12)?.checked_mul(12)?.checked_add(16)?.checked_next_multiple_of(8)?,
        false => 0,
    };
    let cache = cache.get(start..)?;
    if !cache.starts_with(MAGIC) {
        return None;
    }
    let count = number(cache, MAGIC.len())?;
    let entries = cache.get(HEADER..)?.get(..count.checked_mul(ENTRY)?)?;
    Some(entries.chunks_exact(ENTRY).filter_map(|entry| text(cache, number(entry, 8)?)).collect())
}

/// The 32 bit number at `at`.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    usize::try_from(u32::from_ne_bytes(bytes)).ok()
}

/// The absolute path at `at`, which ends with a zero.
fn text(bytes: &[u8], at: usize) -> Option<PathBuf> {
    /// `PATH_MAX`.
    const LONGEST: usize = 4096;
    let bytes = bytes.get(at..)?;
    let end = bytes.iter().take(LONGEST).position(|&byte| byte == 0)?;
    let path = super::files::path_of(bytes[..end].to_vec());
    path.is_absolute().then_some(path)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::os::elf::{
        Dynamic,
        sample::{self, file},
    };
    use proptest::prelude::*;
    use std::os::unix::fs::symlink;

    /// A search path of four folders of which none is there yet.
    fn search(root: &Path) -> SearchPath {
        SearchPath {
            first: vec![root.join("first")],
            cache: vec![root.join("cached/libx.so.1"), root.join("cached/libother.so.1")],
            last: vec![root.join("last")],
            elsewhere: vec![root.join("cuda/lib64")],
        }
    }

    #[test]
    fn the_loader_s_order_is_kept_and_what_it_does_not_search_comes_last() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert!(search(root).candidates("libx.so.1").is_empty());
        let library = sample::library("libx.so.1", &[]);
        let folders = ["cuda/lib64", "last", "cached", "first"];
        let mut paths = folders.map(|folder| file(&root.join(folder), "libx.so.1", &library));
        paths.reverse();
        assert_eq!(search(root).candidates("libx.so.1"), paths);
        let found = search(root).find("libx.so.1");
        let on_path: Vec<bool> = found.iter().map(|found| found.on_loader_path).collect();
        assert_eq!(on_path, [true, true, true, false]);
        assert_eq!(found[0].soname.as_deref(), Some("libx.so.1"));
        assert!(found.iter().all(|found| found.problem.is_none() && found.has_own_name()));
    }

    #[test]
    fn links_lead_to_one_file_and_links_to_nowhere_are_told() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let real = file(&root.join("last"), "libx.so.1.2.3", &sample::library("libx.so.1", &[]));
        fs::create_dir_all(root.join("first")).unwrap();
        for folder in ["first", "last"] {
            symlink(&real, root.join(folder).join("libx.so.1")).unwrap();
        }
        symlink("nowhere", root.join("first/liby.so")).unwrap();
        let search = search(root);
        let found = search.find("libx.so.1");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, root.join("first/libx.so.1"));
        assert_eq!(found[0].real_path, real.canonicalize().unwrap());
        assert!(!search.find("libx.so.1.2.3")[0].has_own_name());
        let problem = search.find("liby.so")[0].problem.clone();
        assert_eq!(problem.as_deref(), Some("it is a link to nowhere"));
        let names: Vec<String> = search.names("libx").into_iter().collect();
        assert_eq!(names, ["libx.so.1", "libx.so.1.2.3"]);
    }

    #[test]
    fn a_name_is_broken_where_the_loader_finds_files_but_no_library() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert!(!search(root).is_broken("libx.so.1") && search(root).lying_about("x").is_empty());
        let library = sample::library("libx.so.1", &[]);
        file(&root.join("cuda/lib64"), "libx.so.1", &library);
        assert!(!search(root).is_broken("libx.so.1"), "the loader does not look there");
        assert!(search(root).lying_about("libx.so.1").contains("does not look there"));
        file(&root.join("first"), "libx.so.1", &library[..library.len() / 2]);
        assert!(search(root).is_broken("libx.so.1"));
        assert!(search(root).lying_about("libx.so.1").contains("is there, but it is cut off"));
        file(&root.join("last"), "libx.so.1", &library);
        assert!(!search(root).is_broken("libx.so.1"), "the loader may take the one behind");
    }

    #[test]
    fn what_cannot_be_loaded_says_why_and_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let other = if cfg!(target_arch = "aarch64") { "x86_64" } else { "aarch64" };
        let foreign = sample::bytes(&Dynamic { machine: other.into(), ..Dynamic::default() });
        let whole = sample::library("libx.so.1", &[]);
        file(&root.join("first"), "libx.so.1", &foreign);
        file(&root.join("cached"), "libx.so.1", &whole[..whole.len() - 1]);
        let good = file(&root.join("last"), "libx.so.1", &whole);
        file(&root.join("cuda/lib64"), "libx.so.1", b"INPUT(libx.so)");
        let search = search(root);
        let found = search.find("libx.so.1");
        let problem = |index: usize| found[index].problem.clone().unwrap_or_default();
        assert!(problem(0).starts_with(&format!("it is built for {other}")), "{}", problem(0));
        assert!(problem(1).starts_with("it is cut off"), "{}", problem(1));
        assert_eq!(problem(2), "");
        assert!(problem(3).contains("no ELF header"), "{}", problem(3));
        assert_eq!(search.resolve("libx.so.1", &[]), Some(good));
    }

    #[test]
    fn a_library_s_own_folders_count_and_unsearched_ones_do_not() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let path = file(&root.join("cuda/lib64"), "libx.so.1", &sample::library("libx.so.1", &[]));
        assert_eq!(search(root).resolve("libx.so.1", &[]), None);
        let own = [root.join("cuda/lib64")];
        assert_eq!(search(root).resolve("libx.so.1", &own), Some(path.clone()));
        assert_eq!(search(root).resolve(path.to_str().unwrap(), &[]), Some(path));
        assert!(search(root).candidates("../cuda/lib64/libx.so.1").is_empty());
        assert!(search(root).candidates("").is_empty());
    }

    #[test]
    fn names_of_one_library_are_told_from_those_of_others() {
        for name in ["libx.so", "libx.so.1", "libx.so.11.0"] {
            assert!(is_named(name, "libx"), "{name}");
        }
        for name in ["libx", "libxy.so", "libx.so.1.debug", "libx.so.", "libx.so1", "libx_a.so.1"] {
            assert!(!is_named(name, "libx"), "{name}");
        }
    }

    #[test]
    fn a_list_of_folders_is_split_and_made_absolute() {
        let here = env::current_dir().unwrap();
        let expected = ["/a b".into(), here.join("c"), here];
        assert_eq!(folders(OsStr::new("/a b:c:")), expected);
    }

    #[test]
    fn a_star_stands_for_any_name_and_only_folders_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for name in ["cuda-12.4/lib64", "cuda/lib64", "cuda-13", "curl/lib64"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        let expected = ["cuda/lib64", "cuda-12.4/lib64"].map(|name| root.join(name));
        assert_eq!(expand(&root.join("cuda*/lib64")), expected);
        assert!(expand(&root.join("none*/lib64")).is_empty());
    }

    /// A cache in the new form that names `paths`.
    fn cache(paths: &[&str]) -> Vec<u8> {
        let mut strings = Vec::new();
        let mut entries = Vec::new();
        for path in paths {
            let at = 48 + 24 * paths.len() + strings.len();
            entries.extend([0x0303, 0, at as u32, 0, 0, 0].map(u32::to_ne_bytes).concat());
            strings.extend([path.as_bytes(), &[0]].concat());
        }
        let count = (paths.len() as u32).to_ne_bytes();
        [b"glibc-ld.so.cache1.1", &count[..], &[0; 24], &entries, &strings].concat()
    }

    #[test]
    fn both_forms_of_the_loader_s_cache_are_read() {
        let new = cache(&["/lib/liba.so.1", "relative.so", "/lib/libb.so"]);
        let expected: Vec<PathBuf> = vec!["/lib/liba.so.1".into(), "/lib/libb.so".into()];
        assert_eq!(places(&new).as_ref(), Some(&expected));
        let count = 3_u32.to_ne_bytes();
        let old = [b"ld.so-1.7.0\0", &count[..], &[0; 36], &[0; 4], &new].concat();
        assert_eq!(places(&old), Some(expected));
        assert_eq!(places(&cache(&["/x"])[..60]), None);
        assert_eq!(places(b"something else"), None);
    }

    #[test]
    fn this_system_finds_its_own_loader_s_libraries() {
        let found = SearchPath::system().find("libc.so.6");
        if cfg!(target_env = "gnu") {
            let usable = |found: &Found| found.on_loader_path && found.problem.is_none();
            assert!(found.iter().any(usable), "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn no_cache_makes_the_reader_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..400),
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let _ = places(&bytes);
            let mut damaged = cache(&["/lib/liba.so.1", "/lib/libb.so.2"]);
            for (at, byte) in damage {
                let at = at.index(damaged.len());
                damaged[at] = byte;
            }
            let read = places(&damaged).unwrap_or_default();
            prop_assert!(read.iter().all(|path| path.is_absolute()));
            let _ = places(&[b"ld.so-1.7.0\0", &bytes[..]].concat());
        }
    }
}
