//! What needs no client: releases, tables, engines as bytes, models, and what the classes have of
//! the tables. What clients see is tested where NVIDIA's own drive the library.

use crate::{
    builder::Builder,
    cache::TimingCache,
    claims::{Claim, Claims, Sharing},
    config::Config,
    context::{Context, aligned},
    element::Element,
    engine::Engine,
    inspector::Inspector,
    memory::HostMemory,
    network::{Layer, Network, Tensor},
    object::Class,
    onnx::{Length, Model},
    parser::{Parser, ParserError},
    plan::{self, Plan},
    precision::{self, Allowed},
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
        layers: vec![plan::Layer {
            name: "a".to_owned(),
            operator: "Conv".to_owned(),
            element: Element::HALF,
        }],
        flags: 1,
        verbosity: 2,
        compute_capability: (8, 6),
        device_bytes: 4096,
        card: "NVIDIA GeForce RTX 3070".to_owned(),
        sharing: Sharing::Never,
        nonce: None,
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

#[test]
fn in_8_5_a_profile_is_for_one_context_at_a_time() {
    for (text, asked) in [("8.5.3", true), ("8.6.1", false)] {
        let claims = Claims::new(Sharing::of(release(text), asked, true));
        let (first, mut second) = (Claim::new(&claims), Claim::new(&claims));
        assert_eq!((first.profile(), second.profile()), (Some(0), None));
        let refused = second.choose(0).unwrap_err();
        assert!(refused.contains("Profile 0 has been chosen by another IExecutionContext"));
        assert_eq!((second.choose(1), second.profile()), (Ok(()), Some(1)));
        drop(first);
        assert_eq!((second.choose(0), second.profile()), (Ok(()), Some(0)));
        assert_eq!(Claim::new(&claims).profile(), None, "taken by the second");
    }
}

#[test]
fn with_the_preview_feature_of_8_6_a_profile_is_shared_once_it_is_chosen() {
    let claims = Claims::new(Sharing::of(release("8.6.1"), true, true));
    let (first, mut second) = (Claim::new(&claims), Claim::new(&claims));
    assert_eq!((first.profile(), second.profile()), (Some(0), None));
    assert_eq!((second.choose(0), second.profile()), (Ok(()), Some(0)));
}

#[test]
fn since_9_and_without_dynamic_inputs_every_context_has_the_first_profile() {
    for (text, dynamic) in [("10.0.1", true), ("11.1.0", true), ("8.5.3", false)] {
        let claims = Claims::new(Sharing::of(release(text), false, dynamic));
        let claims = [Claim::new(&claims), Claim::new(&claims)];
        assert_eq!(claims.map(|claim| claim.profile()), [Some(0); 2], "{text}");
    }
}

#[test]
fn addresses_of_tensors_are_multiples_of_256() {
    assert_eq!([0, 256, 0x7000_0100].map(|address| aligned("x", address)), [const { Ok(()) }; 3]);
    for address in [1, 128, 0x7000_0110] {
        assert!(aligned("x", address).unwrap_err().contains("aligned to 256 bytes"), "{address}");
    }
}

#[test]
fn flags_lower_the_precision_of_half_of_the_layers_and_the_graph_that_of_all() {
    let of = |model: &Model, half, int8, layers| {
        let elements = precision::of_layers(model, Allowed { half, int8 }, layers);
        elements.iter().map(|element| element.described(release("8.6.1"))).collect::<Vec<_>>()
    };
    let [float, half, int8] =
        ["FP32", "FP16", "Int8"].map(|name| format!("Row major linear {name} format"));
    let plain = Model::default();
    assert_eq!(of(&plain, false, false, 2), [&*float, &*float]);
    assert_eq!(of(&plain, true, false, 3), [&*half, &*half, &*float]);
    assert_eq!(of(&plain, false, true, 3), [&*int8, &*int8, &*float]);
    assert_eq!(of(&plain, true, true, 2), [&*int8, &*half]);
    let exported = Model { weights: vec![7, 10], ..Model::default() };
    assert_eq!(of(&exported, false, false, 2), [&*half, &*half]);
    let node = crate::onnx::Node { operator: "QuantizeLinear".to_owned(), ..Default::default() };
    let quantised = Model { nodes: vec![node], ..Model::default() };
    assert_eq!(of(&quantised, true, true, 2), [&*int8, &*int8]);
    let later = [Element::FLOAT, Element::HALF, Element::INT8];
    let later = later.map(|element| element.described(release("10.0.1")));
    assert_eq!(later, ["Float", "Half", "Int8"]);
}

#[test]
fn an_engine_of_another_model_of_card_is_read_with_a_warning() {
    let bytes = plan().write(release("8.6.1"));
    let read = Plan::read(&bytes, release("8.6.1"), (8, 6)).unwrap();
    assert_eq!(read.warning("NVIDIA GeForce RTX 3070"), None);
    let words = read.warning("NVIDIA GeForce RTX 3090").unwrap();
    assert!(words.starts_with("Using an engine plan file across different models of devices"));
}

#[test]
fn engines_with_other_nonces_are_other_bytes() {
    let with = |nonce| Plan { nonce, ..plan() }.write(release("8.6.1"));
    assert_eq!(with(None), with(None));
    assert_ne!(with(Some(1)), with(Some(2)));
}
