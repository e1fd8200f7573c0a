use super::*;

fn read(bytes: &[u8]) -> Result<Pickle<'_>, problem::Problem> {
    machine::read(bytes, None)
}
use proptest::prelude::*;

fn shown(pickle: &Pickle<'_>) -> String {
    format!("{:?}", pickle.value(pickle.root))
}

#[test]
fn a_state_in_protocol_2_is_read() {
    // pickle.dumps({'epoch': 3, 'lr': 0.5, 'done': None}, 2)
    let bytes = b"\x80\x02}q\x00(X\x05\x00\x00\x00epochq\x01K\x03X\x02\x00\x00\x00lrq\x02G?\xe0\
                  \x00\x00\x00\x00\x00\x00X\x04\x00\x00\x00doneq\x03Nu.tail";
    let pickle = read(bytes).unwrap();
    assert_eq!(pickle.length, bytes.len() - 4);
    let entry = |key| pickle.value(pickle.entry(pickle.root, key).unwrap()).clone();
    assert_eq!(entry("epoch"), Value::Int(3));
    assert_eq!(entry("lr"), Value::Float(0.5));
    assert_eq!(entry("done"), Value::None);
}

#[test]
fn texts_and_numbers_of_protocol_0_are_read() {
    let pickle = read(b"(lp0\nI01\naI-7\naL12L\naF1.5\naS'it'\naVthat\na.").unwrap();
    let items = pickle.items(pickle.root).unwrap();
    let numbers: Vec<_> = items[..4].iter().map(|&id| pickle.value(id).clone()).collect();
    let expected = [Value::Bool(true), Value::Int(-7), Value::Int(12), Value::Float(1.5)];
    assert_eq!(numbers, expected);
    let texts: Vec<_> = items[4..].iter().map(|&id| pickle.text(id).unwrap()).collect();
    assert_eq!(texts, ["it", "that"]);
}

#[test]
fn a_pickle_is_the_same_whether_it_is_read_from_its_file_or_from_its_mapped_bytes() {
    let long = "k".repeat(5000);
    let mut bytes = b"before\x80\x02}(".to_vec();
    for key in ["epoch", &long, "lr"] {
        bytes.extend(b"X");
        bytes.extend((key.len() as u32).to_le_bytes());
        bytes.extend(key.bytes());
        bytes.extend(b"cos\nsystem\n");
    }
    bytes.extend(b"u.");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    std::fs::write(&path, &bytes).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    let mapped = read(&bytes[6..]).unwrap();
    let filed = machine::read(&bytes[6..], Some((file, 6))).unwrap();
    assert_eq!((filed.len(), filed.length), (mapped.len(), mapped.length));
    for pickle in [&mapped, &filed] {
        for key in ["epoch", &long, "lr"] {
            let value = pickle.entry(pickle.root, key).unwrap();
            assert_eq!(pickle.global(value), Some(("os", "system")));
        }
    }
}

#[test]
fn whole_numbers_of_any_length_are_read() {
    let int = |bytes: &[u8]| shown(&read(bytes).unwrap());
    assert_eq!(int(b"\x8a\x00."), "Int(0)");
    assert_eq!(int(b"\x8a\x01\xff."), "Int(-1)");
    assert_eq!(int(b"\x8a\x02\xff\x00."), "Int(255)");
    assert_eq!(int(b"J\xfe\xff\xff\xff."), "Int(-2)");
    let wide = int(b"\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
    assert!(wide.starts_with("BigInt"), "{wide}");
}

#[test]
fn what_unpickling_would_call_is_named_and_not_called() {
    // os.system("touch /tmp/x"), once as the protocols 0 to 3 name functions, once as 4 does.
    for bytes in [
        &b"cos\nsystem\n(S'touch /tmp/x'\ntR."[..],
        &b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0ctouch /tmp/x\x85R."[..],
        &b"(S'touch /tmp/x'\nios\nsystem\n."[..],
        &b"(cos\nsystem\nS'touch /tmp/x'\no."[..],
    ] {
        let pickle = read(bytes).unwrap();
        assert!(matches!(pickle.value(pickle.root), Value::Object(_)), "{}", shown(&pickle));
        assert_eq!(dangers(&pickle).into_iter().collect::<Vec<_>>(), ["os.system"]);
    }
}

#[test]
fn evaluating_is_dangerous_unless_it_is_how_paddle_writes_tensors() {
    let paddle = b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x04data}\x8c\x04dataK\x01s\x86R.";
    assert!(dangers(&read(paddle).unwrap()).is_empty());
    let other = b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x04exit}\x8c\x04dataK\x01s\x86R.";
    assert_eq!(dangers(&read(other).unwrap()).len(), 1);
}

#[test]
fn a_pickle_cut_off_anywhere_is_an_error() {
    let bytes = b"\x80\x02}q\x00(X\x05\x00\x00\x00epochq\x01K\x03X\x02\x00\x00\x00lrq\x02G?\xe0\
                  \x00\x00\x00\x00\x00\x00ccollections\nOrderedDict\n)Rh\x00u.";
    assert!(read(bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn errors_name_the_opcode_s_place() {
    let problem = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_eq!(
        problem(b"]h\x07."),
        "its pickle is damaged at byte 1: it recalls value 7, which nothing has noted"
    );
    assert_eq!(problem(b"NN\xf0"), "its pickle is damaged at byte 2: there is no opcode 0xf0");
    assert!(problem(b"(t0.").contains("takes a value where there is none"));
    assert!(problem(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f").contains("truncated"));
}

#[test]
fn a_list_that_holds_itself_and_lists_that_double_are_small() {
    // Each list holds the one before twice: 2^40 leaves in a hundred values.
    let mut bytes = b"]".to_vec();
    for _ in 0..40 {
        bytes.extend(b"2\x86");
    }
    bytes.push(b'.');
    assert!(read(&bytes).unwrap().len() < 100);
    let cycle = read(b"]q\x00h\x00a.").unwrap();
    assert_eq!(cycle.items(cycle.root), Some(&[cycle.root][..]));
}

#[test]
fn more_values_than_any_checkpoint_has_are_refused() {
    let problem = read(&vec![b']'; 3 << 20]).unwrap_err().to_string();
    assert!(problem.contains("no checkpoint does"), "{problem}");
}

/// Opcodes with operands of every kind, so that many of them follow one another to some depth.
fn opcodes() -> impl Strategy<Value = Vec<u8>> {
    let plain = proptest::sample::select(
        b"(012N]})t\x85\x86\x87ldaesu\x8f\x90\x91R\x81\x92b\x94Q\x93.o".to_vec(),
    );
    let code = prop_oneof![
        8 => plain.prop_map(|code| vec![code]),
        2 => (0_u8..8).prop_map(|n| vec![b'h', n]),
        2 => (0_u8..8).prop_map(|n| vec![b'q', n]),
        2 => any::<u8>().prop_map(|n| vec![b'K', n]),
        2 => Just(b"X\x02\x00\x00\x00os".to_vec()),
        2 => Just(b"cos\nsystem\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 1..6),
    ];
    proptest::collection::vec(code, 0..200).prop_map(|codes| codes.concat())
}

proptest! {
    #[test]
    fn any_opcodes_end_without_a_panic(bytes in opcodes()) {
        if let Ok(pickle) = read(&bytes) {
            prop_assert!(pickle.length <= bytes.len());
            prop_assert!(pickle.len() <= bytes.len() * 2 + 3);
            dangers(&pickle);
        }
    }

    #[test]
    fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }
}
