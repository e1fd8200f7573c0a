//! What needs no client: releases, tables, engines as bytes, models, and what the classes have of
//! the tables. What clients see is tested where NVIDIA's own drive the library.

use crate::{
    builder::Builder,
    cache::TimingCache,
    config::Config,
    context::Context,
    element::Element,
    engine::Engine,
    inspector::Inspector,
    memory::HostMemory,
    network::{Layer, Network, Tensor},
    object::Class,
    onnx::{Length, Model},
    parser::{Parser, ParserError},
    plan::{self, Plan},
    profile::Profile,
    release::Release,
    runtime::Runtime,
    slots::Layout,
};
use std::{collections::BTreeMap, path::Path};

fn release(text: &str) -> Release {
    Release::parse(text).unwrap()
}

#[test]
fn the_release_is_that_of_the_file_name() {
    let of = |name: &str| Release::of_file(Path::new(name)).map(|release| release.to_string());
    assert_eq!(of("/lib/libnvinfer.so.8.6.1").as_deref(), Some("8.6.1"));
    assert_eq!(of("libnvonnxparser.so.10").as_deref(), Some("10.0.0"));
    assert_eq!([of("libnvinfer.so"), of("libnvinfer.so.x")], [None, None]);
    let numbers = ["8.6.1", "10.0.1", "11.1.0"].map(|text| release(text).number());
    assert_eq!(numbers, [8601, 100_001, 110_100]);
}

#[test]
fn a_release_has_the_newest_table_that_is_not_newer() {
    let slot =
        |text, class, method, arguments| Layout::of(class, release(text)).find(method, arguments);
    let flags = ["8.6.0", "8.6.1", "10.16.1", "11.4.0"];
    let flags = flags.map(|text| slot(text, "IParser", "setFlags", 1));
    assert_eq!(flags, [Some(9), Some(12), Some(11), Some(9)]);
    let runs = ["8.6.1", "10.3.0", "11.4.0", "12.0.0"];
    let runs = runs.map(|text| slot(text, "VExecutionContext", "enqueueV3", 1));
    assert_eq!(runs, [Some(44), Some(37), Some(36), None]);
    let read = |text, arguments| slot(text, "VRuntime", "deserializeCudaEngine", arguments);
    assert_eq!([read("8.6.1", 3), read("8.6.1", 2)], [Some(2), None]);
    assert_eq!([read("10.0.1", 3), read("10.0.1", 2)], [None, Some(3)]);
    assert_eq!(Layout::of("IParserError", release("8.6.1")).destructors, (6, 7));
    assert_eq!(Layout::of("IParser", release("11.1.0")).destructors, (6, 7));
}

#[test]
fn every_method_is_in_the_table_of_some_release() {
    fn strange<T: Class>() -> Vec<String> {
        let layouts = ["8.6.1", "10.16.0", "11.1.0"].map(|text| Layout::of(T::NAME, release(text)));
        let missing = T::METHODS.iter().filter(|method| !method.name.is_empty()).filter(|method| {
            layouts.iter().all(|layout| layout.find(method.name, method.arguments).is_none())
        });
        missing.map(|method| format!("{}::{}", T::NAME, method.name)).collect()
    }
    let strange = [
        strange::<Builder>(),
        strange::<Config>(),
        strange::<Network>(),
        strange::<Tensor>(),
        strange::<Layer>(),
        strange::<Profile>(),
        strange::<TimingCache>(),
        strange::<HostMemory>(),
        strange::<Parser>(),
        strange::<ParserError>(),
        strange::<Runtime>(),
        strange::<Engine>(),
        strange::<Context>(),
        strange::<Inspector>(),
    ];
    assert_eq!(strange.concat(), <[String; 0]>::default());
}

fn plan() -> Plan {
    let shape = vec![Length::Named("batch".to_owned()), Length::Fixed(3)];
    let name = "images".to_owned();
    let range = [vec![1, 3], vec![1, 3], vec![4, 3]];
    Plan {
        name: "net".to_owned(),
        tensors: vec![plan::Tensor {
            name: name.clone(),
            input: true,
            element: Element::FLOAT,
            shape,
        }],
        profiles: vec![BTreeMap::from([(name, range)])],
        layers: vec![plan::Layer { name: "a".to_owned(), operator: "Conv".to_owned() }],
        flags: 1,
        verbosity: 2,
        compute_capability: (8, 6),
        device_bytes: 4096,
    }
}

#[test]
fn an_engine_begins_like_a_real_one_and_is_read_back() {
    let bytes = plan().write(release("10.16.1"));
    assert_eq!((&bytes[..8], &bytes[24..28]), (&b"ftrt\0\0\0\0"[..], &[10, 16, 1, 0][..]));
    assert_eq!(Plan::read(&bytes, release("10.16.1"), (8, 6)), Ok(plan()));
}

#[test]
fn an_engine_that_does_not_fit_is_refused_in_tensorrts_words() {
    let ours = release("8.6.1");
    let good = plan().write(ours);
    let refused = |bytes: &[u8], card| Plan::read(bytes, ours, card).unwrap_err();
    assert!(refused(b"short", (8, 6)).contains("Magic tag does not match"));
    assert!(refused(&[0; 64], (8, 6)).contains("Magic tag does not match"));
    let other = refused(&plan().write(release("10.0.1")), (8, 6));
    assert!(other.contains("expecting library version 8.6.1.0 got 10.0.1.0"), "{other}");
    let card = refused(&good, (6, 1));
    assert!(card.contains("expecting compute 6.1 got compute 8.6"), "{card}");
    let mut damaged = good.clone();
    damaged[40] ^= 1;
    assert!(refused(&damaged, (8, 6)).contains("Checksum"));
    assert!(refused(&good[..good.len() - 1], (8, 6)).contains("Checksum"));
}

#[test]
fn a_model_is_read_as_far_as_an_engine_needs_it() {
    let bytes = include_bytes!("../../../scenarios/models/shapes.onnx");
    let model = Model::read(bytes).unwrap();
    let names =
        |values: &[crate::onnx::Value]| values.iter().map(|value| value.name.clone()).collect();
    let (inputs, outputs): (Vec<String>, Vec<String>) =
        (names(&model.inputs), names(&model.outputs));
    assert_eq!((inputs, outputs), (vec!["images".to_owned()], vec!["output0".to_owned()]));
    let lengths = model.inputs[0].shape.iter().flatten().map(Length::number);
    assert_eq!(lengths.collect::<Vec<_>>(), [-1, 3, 256, 256]);
    assert_eq!((model.nodes.len(), model.nodes[0].operator.as_str()), (131, "Conv"));
    for broken in [&bytes[..bytes.len() / 2], b"no model", b""] {
        assert_eq!(Model::read(broken), None);
    }
}
