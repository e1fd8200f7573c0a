use super::*;
use crate::{
    model::anatomy::{File, Layout, Place, Weight},
    model::{Format, inspect},
    tensor::DType,
};
use std::collections::BTreeMap;

fn weight(name: &str, dtype: DType, shape: &[u64], offset: u64, bytes: u64) -> Weight {
    let elements = shape.iter().product();
    let place = Some(Place { file: 0, offset, bytes });
    let (name, shape, layout) = (name.to_owned(), shape.to_vec(), Layout::RowMajor);
    Weight { name, dtype, shape, elements, bytes, role: Role::Model, place, layout }
}

/// A file with those bytes and weights, and what `lean` makes of it in a folder of its own.
fn lean(bytes: &[u8], weights: Vec<Weight>, precision: Precision) -> Result<Anatomy, String> {
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("a.bin"), folder.path().join("out.safetensors"));
    std::fs::write(&source, bytes).unwrap();
    let anatomy = Anatomy {
        format: Format::PyTorch,
        files: vec![File { name: "a.bin".to_owned(), bytes: bytes.len() as u64 }],
        sections: Vec::new(),
        weights,
        producer: None,
        opsets: BTreeMap::new(),
        metadata: BTreeMap::new(),
        graph: None,
        lowered: None,
        ir_version: None,
        remarks: Vec::new(),
    };
    let written = write_lean(&anatomy, &source, &out, None, precision);
    if written.is_err() {
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "an error leaves nothing");
    }
    let written = written.map_err(|error| error.to_string())?;
    assert_eq!(Ok(written), lean_bytes(&anatomy, None, precision));
    assert_eq!(written.0, std::fs::metadata(&out).unwrap().len());
    let again = write_lean(&anatomy, &source, &out, None, precision).unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
    Ok(inspect(&out).unwrap())
}

#[test]
fn elements_with_gaps_are_laid_side_by_side() {
    let bytes: Vec<u8> = (0..12).collect();
    let turned = Weight {
        layout: Layout::Strided(vec![1, 4]),
        ..weight("turned", DType::U8, &[4, 3], 0, 12)
    };
    let folder = tempfile::tempdir().unwrap();
    let mut out = std::fs::File::create(folder.path().join("x")).unwrap();
    let entry = Entry { weight: &turned, dtype: DType::U8, bytes: 12, place: turned.place };
    elements::write(&entry, &bytes, &mut out).unwrap();
    let written = std::fs::read(folder.path().join("x")).unwrap();
    assert_eq!(written, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
}

#[test]
fn wide_elements_come_first_so_that_all_are_aligned() {
    let weights = vec![
        weight("a", DType::U8, &[3], 0, 3),
        weight("b", DType::F32, &[1], 4, 4),
        weight("c", DType::I64, &[1], 8, 8),
    ];
    let read = lean(&[0; 16], weights, Precision::AsStored).unwrap();
    let names: Vec<_> = read.weights.iter().map(|weight| weight.name.as_str()).collect();
    assert_eq!(names, ["c", "b", "a"]);
    assert_eq!(read.weights[0].place.unwrap().offset % 8, 0);
}

#[test]
fn numbers_beyond_a_half_are_refused_with_their_tensor_named() {
    let bytes = [1_f32, 7e4].map(f32::to_le_bytes).concat();
    let of = || vec![weight("head.scale", DType::F32, &[2], 0, 8)];
    let said = lean(&bytes, of(), Precision::F16).unwrap_err();
    assert!(said.contains("head.scale (1)") && said.contains("float16"), "{said}");
    assert_eq!(lean(&bytes, of(), Precision::F32).unwrap().weights[0].bytes, 8);
}

#[test]
fn two_tensors_of_one_name_and_elements_stored_otherwise_are_refused() {
    let one = || weight("a", DType::F32, &[1], 0, 4);
    let twice = lean(&[0; 4], vec![one(), one()], Precision::AsStored).unwrap_err();
    assert!(twice.contains("two tensors of the name \"a\""), "{twice}");
    let nowhere = vec![Weight { place: None, ..one() }];
    let otherwise = lean(&[0; 4], nowhere, Precision::AsStored).unwrap_err();
    assert!(otherwise.contains("\"a\" is not stored"), "{otherwise}");
    let unknown = vec![weight("a", DType::Other(15), &[1], 0, 16)];
    assert!(lean(&[0; 16], unknown, Precision::AsStored).unwrap_err().contains("no complex128"));
    let repeated = vec![weight("a", DType::F32, &[1 << 40], 0, 4)];
    assert!(lean(&[0; 4], repeated, Precision::F16).unwrap_err().contains("repeats"));
}

#[test]
fn a_text_that_is_no_bytes_is_damaged() {
    let latin = |text: &str| {
        let stored = text.as_bytes();
        let weight = Weight {
            layout: Layout::Latin1,
            ..weight("a", DType::U8, &[3], 0, stored.len() as u64)
        };
        let mut out = Vec::new();
        let entry = Entry { weight: &weight, dtype: DType::U8, bytes: 3, place: weight.place };
        elements::write(&entry, stored, &mut out).map(|_| out)
    };
    assert_eq!(latin("a\u{e9}\u{ff}").unwrap(), [b'a', 0xe9, 0xff]);
    assert!(latin("a\u{20ac}b").is_err());
    assert!(latin("ab").is_err());
}
