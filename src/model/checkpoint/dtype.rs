//! What torch, numpy and safetensors call element types. Codes of types that this project only
//! counts are ONNX's.

use crate::tensor::DType;

/// An element type nobody here knows the size of.
pub const UNKNOWN: DType = DType::Other(0);

/// A type with its names.
type Names = (DType, &'static [&'static str], &'static [&'static str], &'static str, &'static str);

/// Names by type: of torch's storage, of torch's dtype, of numpy's array and of safetensors.
const NAMES: [Names; 19] = [
    (DType::F32, &["FloatStorage"], &["float32", "float"], "f4", "F32"),
    (DType::F64, &["DoubleStorage"], &["float64", "double"], "f8", "F64"),
    (DType::F16, &["HalfStorage"], &["float16", "half"], "f2", "F16"),
    (DType::BF16, &["BFloat16Storage"], &["bfloat16"], "", "BF16"),
    (DType::I64, &["LongStorage"], &["int64", "long"], "i8", "I64"),
    (DType::I32, &["IntStorage", "QInt32Storage"], &["int32", "int", "qint32"], "i4", "I32"),
    (DType::Other(5), &["ShortStorage"], &["int16", "short"], "i2", "I16"),
    (DType::I8, &["CharStorage", "QInt8Storage"], &["int8", "qint8"], "i1", "I8"),
    (DType::U8, &["ByteStorage", "QUInt8Storage"], &["uint8", "quint8"], "u1", "U8"),
    (DType::Bool, &["BoolStorage"], &["bool"], "b1", "BOOL"),
    (DType::Other(4), &["UInt16Storage"], &["uint16"], "u2", "U16"),
    (DType::Other(12), &["UInt32Storage"], &["uint32"], "u4", "U32"),
    (DType::Other(13), &["UInt64Storage"], &["uint64"], "u8", "U64"),
    (DType::Other(14), &["ComplexFloatStorage"], &["complex64", "cfloat"], "c8", "C64"),
    (DType::Other(15), &["ComplexDoubleStorage"], &["complex128", "cdouble"], "c16", ""),
    (DType::Other(17), &[], &["float8_e4m3fn"], "", "F8_E4M3"),
    (DType::Other(18), &[], &["float8_e4m3fnuz"], "", "F8_E4M3FNUZ"),
    (DType::Other(19), &[], &["float8_e5m2"], "", "F8_E5M2"),
    (DType::Other(24), &[], &["float8_e8m0fnu"], "", "F8_E8M0"),
];

/// The type of a storage class such as `FloatStorage`; none of an untyped one.
pub fn of_storage(class: &str) -> Option<DType> {
    NAMES.iter().find(|names| names.1.contains(&class)).map(|names| names.0)
}

/// The type that torch calls `name`, such as `float32`.
pub fn of_torch(name: &str) -> DType {
    NAMES.iter().find(|names| names.2.contains(&name)).map_or(UNKNOWN, |names| names.0)
}

/// The type that numpy calls `name`, such as `f4`.
pub fn of_numpy(name: &str) -> Option<DType> {
    let wanted = name.trim_start_matches(['<', '>', '=', '|']);
    NAMES.iter().find(|names| !wanted.is_empty() && names.3 == wanted).map(|names| names.0)
}

/// The type that safetensors calls `name`, such as `F32`.
pub fn of_safetensors(name: &str) -> DType {
    match name {
        "F8_E5M2FNUZ" => DType::Other(20),
        "F4" => DType::Other(23),
        _ => NAMES.iter().find(|names| names.4 == name).map_or(UNKNOWN, |names| names.0),
    }
}

/// What safetensors calls the type; none of types that it does not have.
pub fn to_safetensors(dtype: DType) -> Option<&'static str> {
    let names = NAMES.iter().find(|names| names.0 == dtype && !names.4.is_empty());
    names.map(|names| names.4).or(match dtype {
        DType::Other(20) => Some("F8_E5M2FNUZ"),
        DType::Other(23) => Some("F4"),
        _ => None,
    })
}
