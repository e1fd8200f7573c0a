//! Once they have seen their sizes, pre- and post-processing allocate nothing.
#![expect(clippy::unwrap_used, reason = "a test stops where it finds what it does not expect")]

mod family_models;

use allocation_counter::measure;
use family_models::{lengths, usual, variants};
use trtbench::{
    cpu::{Cpu, Instructions},
    family,
    image::{Image, Size},
    scenario::FamilyOptions,
    tensor::{DType, Data, ModelIo, Shape, Tensor, TensorInfo},
};

/// Outputs with a detection here and there, every score another.
fn outputs(io: &ModelIo) -> Vec<Tensor> {
    let mut state = 1_u32;
    let mut unit = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let make = |info: &TensorInfo| {
        let dims = lengths(info, |name| usual(name, 1));
        let count: usize = dims.iter().product();
        let data = match info.dtype {
            DType::I32 => Data::I32(vec![5; count]),
            DType::I64 => Data::I64(vec![1; count]),
            // Whole class numbers where a column is one; scores and edges anywhere else.
            _ if dims.last() == Some(&6) => {
                let row =
                    |column: usize, unit: f32| if column.is_multiple_of(5) { 1.0 } else { unit };
                Data::F32((0..count).map(|index| row(index % 6, unit())).collect())
            }
            _ => Data::F32((0..count).map(|_| unit()).collect()),
        };
        Tensor { name: String::new(), shape: Shape::new(&dims).unwrap(), data }
    };
    io.outputs.iter().map(make).collect()
}

#[test]
fn preprocessing_and_postprocessing_allocate_nothing_but_at_first() {
    let images = [Image { width: 70, height: 41, pixels: vec![9; 3 * 70 * 41] }];
    let sizes = [Size { width: 70, height: 41 }];
    let mut at_first = 0;
    for (name, variant, io) in variants() {
        for instructions in Instructions::available() {
            let what = format!("{name}, {variant}, {}", instructions.set());
            let cpu = Cpu::single(instructions);
            let mut adapter =
                family::named(name).unwrap().adapt(&io, 1, &FamilyOptions::default()).unwrap();
            let (mut inputs, outputs) = (adapter.inputs(), outputs(&io));
            let mut detections = Vec::new();
            for round in 0..3 {
                let before = measure(|| adapter.preprocess(&images, &cpu, &mut inputs));
                let after = measure(|| {
                    adapter.postprocess(&outputs, &sizes, &cpu, &mut detections).expect(&what);
                });
                let allocations = [before.count_total, after.count_total];
                assert!(round == 0 || allocations == [0, 0], "{what}: {allocations:?}");
                at_first += allocations.iter().sum::<u64>();
            }
        }
    }
    assert!(at_first > 0, "nothing is counted");
}
