//! Element types as Paddle writes them: numbers of `VarType.Type` in a `.pdmodel` and a
//! `.pdiparams`, words in PIR. No shapes.

use crate::tensor::DType;

/// `FEED_MINIBATCH` and `FETCH_LIST`: what a program is fed from and fetched into.
pub const FEED_AND_FETCH: [u64; 2] = [9, 10];

/// From `VarType.Type` (paddle/fluid/framework/framework.proto).
pub fn dtype_of(code: u64) -> DType {
    match code {
        0 => DType::Bool,
        1 => DType::Other(5),
        2 => DType::I32,
        3 => DType::I64,
        4 => DType::F16,
        5 => DType::F32,
        6 => DType::F64,
        19 => DType::Other(13),
        20 => DType::U8,
        21 => DType::I8,
        22 => DType::BF16,
        23 => DType::Other(14),
        24 => DType::Other(15),
        32 => DType::Other(17),
        33 => DType::Other(19),
        _ => DType::Other(0),
    }
}

/// From PIR's words: of a type, such as `0.t_f32`, or of an attribute, such as `float32`.
pub fn dtype_named(name: &str) -> DType {
    match name.rsplit_once("t_").map_or(name, |(_, word)| word) {
        "f32" | "float32" => DType::F32,
        "f16" | "float16" => DType::F16,
        "bf16" | "bfloat16" => DType::BF16,
        "f64" | "float64" => DType::F64,
        "i8" | "int8" => DType::I8,
        "ui8" | "uint8" => DType::U8,
        "i16" | "int16" => DType::Other(5),
        "i32" | "int32" => DType::I32,
        "i64" | "int64" => DType::I64,
        "bool" => DType::Bool,
        "c64" | "complex64" => DType::Other(14),
        "c128" | "complex128" => DType::Other(15),
        "f8e4m3fn" | "float8_e4m3fn" => DType::Other(17),
        "f8e5m2" | "float8_e5m2" => DType::Other(19),
        _ => DType::Other(0),
    }
}

/// ONNX's `TensorProto.DataType` of an element type.
pub fn onnx_code(dtype: DType) -> u32 {
    match dtype {
        DType::F32 => 1,
        DType::U8 => 2,
        DType::I8 => 3,
        DType::I32 => 6,
        DType::I64 => 7,
        DType::Bool => 9,
        DType::F16 => 10,
        DType::F64 => 11,
        DType::BF16 => 16,
        DType::Other(code) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_name_the_same_types() {
        let words = [(0, "bool"), (3, "int64"), (4, "0.t_f16"), (5, "0.t_f32"), (20, "0.t_ui8")];
        for (code, word) in words {
            assert_eq!(dtype_of(code), dtype_named(word), "{word}");
        }
        assert_eq!(dtype_named("0.t_vec"), DType::Other(0));
    }

    #[test]
    fn a_types_code_in_onnx_leads_back_to_it() {
        for code in [0, 1, 2, 3, 4, 5, 6, 20, 21, 22] {
            let dtype = dtype_of(code);
            assert_eq!(crate::model::onnx::dtype_of(onnx_code(dtype).into()), dtype);
        }
    }
}
