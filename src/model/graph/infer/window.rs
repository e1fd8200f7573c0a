//! Windows that slide over an image: what convolutions and pools have in common.

use super::{
    call::{Call, Reason, contradiction},
    fact::Length,
};

/// A window by its attributes, one entry for each dimension that it slides along.
pub struct Window {
    kernel: Vec<u64>,
    strides: Vec<u64>,
    dilations: Vec<u64>,
    /// Filling before and after.
    pads: Vec<(i64, i64)>,
    auto: Auto,
    ceil: bool,
}

/// Who decides about filling.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Auto {
    Explicit,
    Same,
    Valid,
}

impl Window {
    /// The window of `kernel` with the attributes of an operator.
    ///
    /// # Errors
    /// When attributes do not fit the kernel or make no sense.
    pub fn of(call: &Call<'_>, kernel: Vec<u64>) -> Result<Self, Reason> {
        let rank = kernel.len();
        let pads = match call.node.ints("pads") {
            None | Some([]) => vec![(0, 0); rank],
            Some(pads) if pads.len() == 2 * rank => {
                pads[..rank].iter().copied().zip(pads[rank..].iter().copied()).collect()
            }
            Some(_) => return contradiction("its pads do not fit its kernel"),
        };
        let auto = match call.node.text("auto_pad") {
            Some("SAME_UPPER" | "SAME_LOWER") => Auto::Same,
            Some("VALID") => Auto::Valid,
            _ => Auto::Explicit,
        };
        let (strides, dilations) = (steps(call, "strides", rank)?, steps(call, "dilations", rank)?);
        let ceil = call.flag("ceil_mode", false);
        Ok(Self { kernel, strides, dilations, pads, auto, ceil })
    }

    /// Elements that the window covers.
    pub fn elements(&self) -> u64 {
        self.kernel.iter().fold(1, |product: u64, &length| product.saturating_mul(length))
    }

    /// How often it fits along each dimension.
    ///
    /// # Errors
    /// When it does not fit at all.
    pub fn slide(&self, dims: &[Length]) -> Result<Vec<Length>, Reason> {
        self.each(dims, Self::fits)
    }

    /// How far its results reach where each element of an operand is spread over a window
    /// (`ConvTranspose`), with so much added at the end of each dimension.
    ///
    /// # Errors
    /// When nothing is left.
    pub fn spread(&self, dims: &[Length], added: &[i64]) -> Result<Vec<Length>, Reason> {
        self.each(dims, |window, at, length| {
            let stride = i128::from(window.strides[at]);
            if window.auto == Auto::Same {
                return i128::from(length) * stride;
            }
            let added = i128::from(added.get(at).copied().unwrap_or(0));
            stride * (i128::from(length) - 1) + added + window.reach(at) - window.filling(at)
        })
    }

    fn each(
        &self,
        dims: &[Length],
        of: impl Fn(&Self, usize, u64) -> i128,
    ) -> Result<Vec<Length>, Reason> {
        if dims.len() != self.kernel.len() {
            return contradiction("its kernel has other dimensions than its operand");
        }
        let one = |(at, &length): (usize, &Length)| match length {
            None => Ok(None),
            Some(length) => match u64::try_from(of(self, at, length)) {
                Ok(length @ 1..) => Ok(Some(length)),
                Ok(0) | Err(_) => contradiction("its kernel is larger than its operand"),
            },
        };
        dims.iter().enumerate().map(one).collect()
    }

    /// How far the window reaches with its gaps.
    fn reach(&self, at: usize) -> i128 {
        (i128::from(self.kernel[at]) - 1) * i128::from(self.dilations[at]) + 1
    }

    fn filling(&self, at: usize) -> i128 {
        let (before, after) = self.pads[at];
        if self.auto == Auto::Valid { 0 } else { i128::from(before) + i128::from(after) }
    }

    fn fits(&self, at: usize, length: u64) -> i128 {
        let (stride, length) = (i128::from(self.strides[at]), i128::from(length));
        if self.auto == Auto::Same {
            return (length + stride - 1) / stride;
        }
        let room = length + self.filling(at) - self.reach(at);
        if room < 0 {
            return 0;
        }
        if !self.ceil {
            return room / stride + 1;
        }
        let steps = (room + stride - 1) / stride + 1;
        let before = if self.auto == Auto::Valid { 0 } else { i128::from(self.pads[at].0) };
        // A window that begins in the filling after the operand does not count (ONNX 19, PyTorch).
        if (steps - 1) * stride >= length + before { steps - 1 } else { steps }
    }
}

/// Steps along each dimension; 1 where the operator does not say.
fn steps(call: &Call<'_>, name: &str, rank: usize) -> Result<Vec<u64>, Reason> {
    match call.node.ints(name) {
        None | Some([]) => Ok(vec![1; rank]),
        Some(steps) if steps.len() == rank && steps.iter().all(|&step| step > 0) => {
            Ok(steps.iter().map(|&step| step.unsigned_abs()).collect())
        }
        Some(_) => contradiction(format!("its {name} do not fit its kernel")),
    }
}
