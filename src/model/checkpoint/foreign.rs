//! Other kinds of files that are found under a checkpoint's name, each with what to do about it.

use super::archive::Entry;

/// First bytes, what begins with them, and what helps.
const FILES: [(&[u8], &str, &str); 15] = [
    (
        b"\x1f\x8b",
        "compressed with gzip",
        "unpack it with gunzip, then with tar if it is an archive",
    ),
    (b"BZh", "compressed with bzip2", "unpack it with bunzip2"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it with unxz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it with unzstd"),
    (b"7z\xbc\xaf\x27\x1c", "an archive of 7-Zip", "unpack it"),
    (b"Rar!", "an archive of RAR", "unpack it"),
    (b"\x89HDF", "HDF5, as Keras saves weights (.h5)", "export the model to ONNX with tf2onnx"),
    (b"\x89PNG", "a picture (PNG)", "give the model's file"),
    (b"\xff\xd8\xff", "a picture (JPEG)", "give the model's file"),
    (b"%PDF", "a PDF", "give the model's file"),
    (b"\x93NUMPY", "one array of numpy (.npy)", "save the whole checkpoint"),
    (b"GGUF", "GGUF, a format for language models", "give the checkpoint that it was made of"),
    (b"\x7fELF", "a program or shared library", "give the model's file"),
    (
        b"version https://git-lfs",
        "the pointer that git keeps in place of a large file",
        "fetch the file itself with `git lfs pull`",
    ),
    (
        b"<?xml",
        "XML, as a server's error message or OpenVINO's graph",
        "download the model's file again",
    ),
];

/// What the file is, if it is one of those, and what to do.
pub fn file(bytes: &[u8]) -> Option<String> {
    let said = |what: &str, cure: &str| format!("is no model but {what}; {cure}");
    if let Some((_, what, cure)) = FILES.iter().find(|(begin, ..)| bytes.starts_with(begin)) {
        return Some(said(what, cure));
    }
    let begin = bytes[..bytes.len().min(64)].trim_ascii_start().to_ascii_lowercase();
    if begin.starts_with(b"<!doctype") || begin.starts_with(b"<html") {
        let page = "a page of HTML: the download was an error message or asked to log in";
        return Some(said(page, "download the model's file again"));
    }
    match bytes.get(257..262) {
        Some(b"ustar") => Some(said(
            "a tar archive; torch before 0.2 saved those, too",
            "unpack it, or load it with such a torch and save it again",
        )),
        _ => None,
    }
}

/// Names in archives of other kinds, whether they are the end or the begin of an entry's, what they
/// tell, and what helps.
const ARCHIVES: [(&str, &str, &str); 9] = [
    ("META-INF/", "a Java archive", "give the model's file"),
    ("word/", "a document of Word", "give the model's file"),
    ("xl/", "a table of Excel", "give the model's file"),
    ("model.weights.h5", "a model of Keras (.keras)", "export it to ONNX with tf2onnx"),
    (".npy", "arrays of numpy (.npz)", "save the whole checkpoint with torch.save"),
    (
        "model.json",
        "TorchScript from before torch 1.4",
        "load it with that torch and save it again",
    ),
    (".pth", "an archive with a checkpoint in it", "unpack it and give the checkpoint"),
    (".pt", "an archive with a checkpoint in it", "unpack it and give the checkpoint"),
    (".pdparams", "an archive with a checkpoint in it", "unpack it and give the checkpoint"),
];

/// What the archive with these entries is, since it is none of torch.
pub fn archive(entries: &[Entry<'_>]) -> String {
    let holds = |part: &str| {
        let fits = |entry: &Entry<'_>| entry.name.starts_with(part) || entry.name.ends_with(part);
        entries.iter().any(fits)
    };
    match ARCHIVES.iter().find(|(part, ..)| holds(part)) {
        Some((_, what, cure)) => format!("is no model but {what}; {cure}"),
        None => {
            "is a ZIP archive without data.pkl, no checkpoint of torch; unpack it and give the \
                 model's file"
                .to_owned()
        }
    }
}
