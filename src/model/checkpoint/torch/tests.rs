use super::*;
use crate::model::{
    anatomy::{Layout, Role},
    checkpoint::archive::tests::Writer,
};

/// `{'a': tensor}` in protocol 2: of a float32 storage of `count` elements, from element `offset`
/// on, with the pickled lengths and strides.
fn tensor(count: &[u8], offset: &[u8], shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let begin = b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storage\
                  ctorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu";
    [begin, count, b"tQ", offset, b"(", shape, b"t(", strides, b"t\x89NtRs."].concat()
}

fn read(bytes: &[u8]) -> Result<Anatomy, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pth");
    std::fs::write(&path, bytes).unwrap();
    anatomy(&path, bytes, File { name: "a.pth".to_owned(), bytes: bytes.len() as u64 })
}

fn archive(pickle: &[u8], data: &[u8]) -> Vec<u8> {
    Writer::default().entry("a/data.pkl", pickle).entry("a/data/0", data).end()
}

#[test]
fn a_tensor_is_where_its_storage_its_offset_and_its_strides_say() {
    let pickle = tensor(b"K\x08", b"K\x01", b"K\x02K\x03", b"K\x01K\x02");
    let bytes = archive(&pickle, &[9; 32]);
    let anatomy = read(&bytes).unwrap();
    let [weight] = &anatomy.weights[..] else { panic!("{:?}", anatomy.weights) };
    assert_eq!((weight.name.as_str(), weight.role, weight.elements), ("a", Role::Model, 6));
    assert_eq!(weight.layout, Layout::Strided(vec![1, 2]));
    let place = weight.place.unwrap();
    assert_eq!((bytes[place.offset as usize - 5], place.bytes), (b'Z', 24));
    let sections = anatomy.by_section();
    assert!(sections.contains(&(SectionKind::Unreferenced, 8)), "{sections:?}");
    assert_eq!(sections.iter().map(|section| section.1).sum::<u64>(), bytes.len() as u64);
}

#[test]
fn storages_and_tensors_that_do_not_fit_are_named() {
    let wide = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    for (pickle, data, said) in [
        (tensor(b"K\x04", b"K\0", b"K\x04", b"K\x01"), 8, "\"0\" is cut off: it has 8 bytes, 16"),
        (
            tensor(b"K\x04", b"K\x01", b"K\x04", b"K\x01"),
            16,
            "[4] reaches beyond its storage \"0\"",
        ),
        (tensor(b"K\x04", b"K\0", b"K\x04", b"K\x02"), 16, "reaches beyond"),
        (tensor(b"K\x04", wide, b"K\x04", b"K\x01"), 16, "reaches beyond"),
        (tensor(b"K\x04", b"K\0", &wide.repeat(2), b"K\x01K\x01"), 16, "no memory holds"),
        (tensor(b"K\x04", b"K\0", wide, b"K\x01"), 16, "reaches beyond"),
        (tensor(b"K\x04", b"K\0", b"K\x04", b""), 16, "reaches beyond"),
        (tensor(wide, b"K\0", b"K\x04", b"K\x01"), 16, "is cut off"),
    ] {
        let problem = read(&archive(&pickle, &vec![0; data])).unwrap_err();
        assert!(problem.contains(said), "{problem}");
    }
    let alone =
        Writer::default().entry("a/data.pkl", &tensor(b"K\x04", b"K\0", b"K\x04", b"K\x01"));
    let problem = read(&alone.end()).unwrap_err();
    assert!(problem.contains("no storage \"0\""), "{problem}");
}

#[test]
fn a_shape_that_repeats_its_elements_is_no_more_than_its_storage() {
    let wide = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let anatomy = read(&archive(&tensor(b"K\x04", b"K\0", wide, b"K\0"), &[0; 16])).unwrap();
    assert_eq!((anatomy.weights[0].elements, anatomy.weights[0].bytes), (1, 4));
    let lean = crate::model::checkpoint::lean_bytes;
    let problem = lean(&anatomy, None, crate::model::checkpoint::Precision::F16).unwrap_err();
    assert!(problem.contains("\"a\""), "{problem}");
}

#[test]
fn an_archive_that_starts_programs_says_so() {
    let anatomy = read(&archive(b"cos\nsystem\n(S'touch x'\ntR.", b"")).unwrap();
    assert!(anatomy.remarks[0].contains("os.system"), "{:?}", anatomy.remarks);
}

#[test]
fn archives_of_others_are_called_what_they_are() {
    for (name, said) in [
        ("weights.npy", "numpy"),
        ("META-INF/MANIFEST.MF", "Java"),
        ("word/document.xml", "Word"),
        ("model.weights.h5", "Keras"),
        ("a/model.json", "before torch 1.4"),
        ("inner.pth", "with a checkpoint in it"),
        ("readme.txt", "without data.pkl"),
    ] {
        let problem = read(&Writer::default().entry(name, b"x").end()).unwrap_err();
        assert!(problem.contains(said), "{problem}");
    }
    let packed = Writer::default().entry("a/data.pkl", b"N.").entry("b/data.pkl", b"N.").end();
    assert!(read(&packed).unwrap_err().contains("several checkpoints"));
}
