use super::*;
use crate::model::anatomy::Role;

fn read(bytes: &[u8]) -> Result<Anatomy, String> {
    anatomy(Path::new("a.pth"), bytes).unwrap()
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).unwrap_err()
}

/// `{name: array}` in protocol 4, the array of `shape` with those bytes of float32.
fn arrays(named: &[(&str, &[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x80\x04}(".to_vec();
    let text = |text: &str| [&[0x8c, text.len() as u8], text.as_bytes()].concat();
    for (name, shape, data) in named {
        bytes.extend(text(name));
        bytes.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85C\x01b\x87R");
        bytes.extend(b"(K\x01(");
        shape.iter().for_each(|&length| bytes.extend([b'K', length]));
        bytes.extend(b"tcnumpy\ndtype\n");
        bytes.extend(text("f4"));
        bytes.extend(b"\x89\x88\x87R(K\x03");
        bytes.extend(text("<"));
        bytes.extend(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89B");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(*data);
        bytes.extend(b"tb");
    }
    bytes.extend(b"u.");
    bytes
}

#[test]
fn arrays_in_a_pickle_are_weights_where_they_lie() {
    let bytes = arrays(&[("conv.weight", &[2, 1], &[7; 8]), ("conv_velocity_0", &[1], &[3; 4])]);
    let anatomy = read(&bytes).unwrap();
    assert_eq!(anatomy.format, Format::PaddleState);
    let [weight, velocity] = &anatomy.weights[..] else { panic!("{:?}", anatomy.weights) };
    assert_eq!((weight.role, velocity.role), (Role::Model, Role::Optimizer));
    assert_eq!((&weight.shape[..], weight.elements, weight.bytes), (&[2, 1][..], 2, 8));
    let from = weight.place.unwrap().offset as usize;
    assert_eq!(bytes[from..from + 8], [7; 8]);
    assert_eq!(anatomy.by_section().iter().map(|s| s.1).sum::<u64>(), bytes.len() as u64);
}

#[test]
fn a_shape_that_the_bytes_do_not_fill_is_an_error() {
    assert!(refused(&arrays(&[("a", &[3], &[7; 8])])).contains("[3] of float32 has 8 bytes"));
    assert!(refused(&arrays(&[("a", &[255; 9], &[7; 8])])).contains("no memory holds"));
    assert!(refused(&arrays(&[("a", &[1; 99], &[7; 4])])).contains("99 dimensions"));
}

#[test]
fn a_checkpoint_cut_off_anywhere_is_an_error() {
    let bytes = arrays(&[("conv.weight", &[2, 1], &[7; 8])]);
    for length in 2..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_pickle_that_starts_programs_is_named_and_none_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("proof");
    let bytes = format!("cos\nsystem\n(S'touch {}'\ntR.", proof.display());
    let said = refused(bytes.as_bytes());
    assert!(said.contains("os.system, which unpickling would call"), "{said}");
    let mut carrier = arrays(&[("a", &[1], &[0; 4])]);
    // The same behind weights that load.
    carrier.truncate(carrier.len() - 2);
    carrier.extend(b"\x8c\x04exit");
    carrier.extend(&bytes.as_bytes()[..bytes.len() - 1]);
    carrier.extend(b"u.");
    let anatomy = read(&carrier).unwrap();
    assert!(anatomy.remarks[0].contains("not a checkpoint to load"), "{:?}", anatomy.remarks);
    assert!(!proof.exists());
}

#[test]
fn other_files_under_a_checkpoint_s_name_are_called_what_they_are() {
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, said) in [
        (&b"\x1f\x8b\x08\0"[..], "gzip"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"\x89PNG\r\n", "PNG"),
        (b"\n <!DOCTYPE html><html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        (b"\x93NUMPY\x01\0", "numpy"),
        (&tar, "tar archive"),
    ] {
        let problem = refused(bytes);
        assert!(problem.contains(said), "{problem}");
    }
    assert!(anatomy(Path::new("a"), b"\x08\x08\x12\x07pytorch").is_none());
}

#[test]
fn names_that_multiply_are_refused_in_bounded_memory() {
    // A key of 60 000 bytes around each of 200 levels, with a tensor at each that is shared.
    let array = arrays(&[("a", &[1], &[0; 4])]);
    let tensor = &array[array.windows(2).position(|w| w == b"cn").unwrap()..array.len() - 2];
    let mut bytes = b"\x80\x04".to_vec();
    bytes.extend(tensor);
    bytes.extend(b"q\x00X");
    bytes.extend(60_000_u32.to_le_bytes());
    bytes.extend([b'k'; 60_000]);
    bytes.extend(b"q\x010");
    for _ in 0..200 {
        bytes.extend(b"}(h\x01");
    }
    bytes.extend(b"h\x00");
    for _ in 0..200 {
        bytes.extend(b"K\x01h\x00u");
    }
    bytes.push(b'.');
    // The first value on the stack is the tensor, below the dictionaries: STOP takes the topmost.
    let problem = refused(&bytes);
    assert!(problem.contains("longer than the whole file"), "{problem}");
}

#[test]
fn objects_that_hold_themselves_and_one_another_end() {
    // A dictionary of lists that double forty times and hold the dictionary.
    let mut bytes = b"\x80\x04}q\0X\x01\0\0\0ah\0\x85".to_vec();
    for _ in 0..40 {
        bytes.extend(b"2\x86");
    }
    bytes.extend(b"s.");
    assert!(refused(&bytes).contains("without any weights"));
}
