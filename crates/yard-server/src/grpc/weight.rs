//! What a `ModelInferRequest` will take in memory, told from its bytes before they are decoded.
//!
//! Two bytes on the wire can become a structure of hundreds. This pass allocates nothing, so a message that is refused
//! here has cost no more than its own bytes.

use yard_types::ErrorCode;

use crate::failure::Failure;

/// Most inputs, requested outputs and raw contents each; the limits of JSON requests.
const MAX_TENSORS: usize = 512;
/// Most dimensions of all inputs together: 32 each.
const MAX_DIMENSIONS: usize = 512 * 32;
/// Most parameters of the request, its inputs and its outputs together.
const MAX_PARAMETERS: usize = 8192;

/// An element of `bytes_contents` in memory.
const BYTES_SIZE: usize = size_of::<bytes::Bytes>();
/// Lists grow by doubling.
const GROWTH: usize = 2;

/// The bytes that the elements of the message's contents take once decoded, or why the message is not taken.
///
/// Everything else in a message is bounded by the counts that this checks.
pub(super) fn weigh(message: &[u8], most: usize) -> Result<usize, Failure> {
    let mut weight = Weight { most, ..Weight::default() };
    let mut fields = Fields(message);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (4, Value::Bytes(_)) => weight.parameter()?,
            (5, Value::Bytes(input)) => weight.input(input)?,
            (6, Value::Bytes(output)) => weight.output(output)?,
            (7, Value::Bytes(_)) => {
                count(&mut weight.raw_contents, 1, MAX_TENSORS, "raw input contents")?;
            }
            _ => {}
        }
    }
    Ok(weight.elements)
}

#[derive(Debug, Default)]
struct Weight {
    most: usize,
    inputs: usize,
    outputs: usize,
    raw_contents: usize,
    dimensions: usize,
    parameters: usize,
    /// Bytes of the elements of all contents.
    elements: usize,
}

fn count(counted: &mut usize, more: usize, most: usize, what: &str) -> Result<(), Failure> {
    *counted += more;
    if *counted > most {
        return Err(Failure::invalid(format!("the request has more than {most} {what}")));
    }
    Ok(())
}

// === impl Weight ===

impl Weight {
    fn parameter(&mut self) -> Result<(), Failure> {
        count(&mut self.parameters, 1, MAX_PARAMETERS, "parameters")
    }

    fn input(&mut self, input: &[u8]) -> Result<(), Failure> {
        count(&mut self.inputs, 1, MAX_TENSORS, "inputs")?;
        let mut fields = Fields(input);
        while let Some((field, value)) = fields.next()? {
            match (field, value) {
                (3, value) => count(&mut self.dimensions, value.varints(), MAX_DIMENSIONS, "dimensions")?,
                (4, Value::Bytes(_)) => self.parameter()?,
                (5, Value::Bytes(contents)) => self.contents(contents)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn output(&mut self, output: &[u8]) -> Result<(), Failure> {
        count(&mut self.outputs, 1, MAX_TENSORS, "requested outputs")?;
        let mut fields = Fields(output);
        while let Some((field, value)) = fields.next()? {
            if let (2, Value::Bytes(_)) = (field, value) {
                self.parameter()?;
            }
        }
        Ok(())
    }

    fn contents(&mut self, contents: &[u8]) -> Result<(), Failure> {
        let mut fields = Fields(contents);
        while let Some((field, value)) = fields.next()? {
            let bytes = match field {
                1 => value.varints(),
                2 | 4 => value.varints() * 4,
                3 | 5 => value.varints() * 8,
                6 | 7 => value.fixed_bytes(),
                8 => BYTES_SIZE,
                _ => 0,
            };
            self.elements += bytes * GROWTH;
            if self.elements > self.most {
                return Err(Failure::new(
                    ErrorCode::PayloadTooLarge,
                    "the contents of the request's tensors take too much memory: send them as 'raw_input_contents'",
                ));
            }
        }
        Ok(())
    }
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Varint,
    /// Four or eight bytes.
    Fixed(usize),
    Bytes(&'a [u8]),
}

// === impl Value ===

impl Value<'_> {
    /// How many numbers it holds where the field is a list of varints, packed or not.
    fn varints(self) -> usize {
        match self {
            // Each ends with the only one of its bytes whose first bit is not set.
            Self::Bytes(packed) => packed.iter().filter(|byte| **byte < 0x80).count(),
            Self::Varint | Self::Fixed(_) => 1,
        }
    }

    fn fixed_bytes(self) -> usize {
        match self {
            Self::Bytes(packed) => packed.len(),
            Self::Fixed(bytes) => bytes,
            Self::Varint => 0,
        }
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    /// The next field's number and value. What is not a field is refused as the decoder would refuse it.
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Failure> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let value = match key & 7 {
            0 => {
                self.varint()?;
                Value::Varint
            }
            1 => self.fixed(8)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| malformed())?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.fixed(4)?,
            // Groups: nobody writes them in this version of the language.
            _ => return Err(malformed()),
        };
        Ok(Some((key >> 3, value)))
    }

    fn fixed(&mut self, bytes: usize) -> Result<Value<'a>, Failure> {
        self.take(bytes)?;
        Ok(Value::Fixed(bytes))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Failure> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Failure> {
        let mut number = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.0 = self.0.get(index + 1..).unwrap_or_default();
                return Ok(number);
            }
        }
        Err(malformed())
    }
}

pub(super) fn malformed() -> Failure {
    Failure::invalid("the message is not the protobuf message that this call takes")
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use yard_api::grpc::proto::{
        InferParameter, InferTensorContents, ModelInferRequest,
        model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
    };

    use super::*;

    fn weight_of(message: &ModelInferRequest) -> Result<usize, Failure> {
        weigh(&message.encode_to_vec(), 1 << 20)
    }

    fn with_contents(contents: InferTensorContents) -> ModelInferRequest {
        let input = InferInputTensor {
            name: "x".to_owned(),
            datatype: "INT64".to_owned(),
            shape: vec![-1, 300, 1],
            contents: Some(contents),
            ..InferInputTensor::default()
        };
        ModelInferRequest { model_name: "m".to_owned(), inputs: vec![input], ..ModelInferRequest::default() }
    }

    #[test]
    fn elements_are_counted_as_they_will_be_in_memory() {
        for (contents, bytes) in [
            (InferTensorContents { bool_contents: vec![true; 5], ..Default::default() }, 5),
            (InferTensorContents { int_contents: vec![-1, 0, 300], ..Default::default() }, 12),
            (InferTensorContents { int64_contents: vec![-1, 0, 300], ..Default::default() }, 24),
            (InferTensorContents { uint_contents: vec![1, 0, 300], ..Default::default() }, 12),
            (InferTensorContents { uint64_contents: vec![u64::MAX, 0], ..Default::default() }, 16),
            (InferTensorContents { fp32_contents: vec![1.0; 3], ..Default::default() }, 12),
            (InferTensorContents { fp64_contents: vec![1.0; 3], ..Default::default() }, 24),
            (
                InferTensorContents { bytes_contents: vec![bytes::Bytes::new(); 3], ..Default::default() },
                3 * size_of::<bytes::Bytes>(),
            ),
        ] {
            let message = with_contents(contents);
            assert_eq!(weight_of(&message).unwrap(), bytes * GROWTH, "{message:?}");
        }
        // Not packed, as old writers have it: an input whose contents hold three int64.
        assert_eq!(weigh(&[0x2a, 8, 0x2a, 6, 0x18, 1, 0x18, 2, 0x18, 3], 1 << 20).unwrap(), 24 * GROWTH);
    }

    #[test]
    fn what_becomes_much_more_in_memory_is_refused() {
        let tensors = |count| ModelInferRequest {
            inputs: vec![InferInputTensor::default(); count],
            outputs: vec![InferRequestedOutputTensor::default(); count],
            raw_input_contents: vec![bytes::Bytes::new(); count],
            ..ModelInferRequest::default()
        };
        assert!(weight_of(&tensors(512)).is_ok());
        let refused = |message: &ModelInferRequest| weight_of(message).unwrap_err();
        assert_eq!(refused(&tensors(513)).message(), "the request has more than 512 inputs");
        let outputs = ModelInferRequest { inputs: Vec::new(), ..tensors(513) };
        assert_eq!(refused(&outputs).message(), "the request has more than 512 requested outputs");
        let raw = ModelInferRequest { outputs: Vec::new(), ..outputs };
        assert_eq!(refused(&raw).message(), "the request has more than 512 raw input contents");
        let parameters = (0..5000).map(|number| (number.to_string(), InferParameter::default())).collect();
        let many = InferInputTensor { parameters, ..InferInputTensor::default() };
        let parameters = ModelInferRequest { inputs: vec![many; 2], ..ModelInferRequest::default() };
        assert_eq!(refused(&parameters).message(), "the request has more than 8192 parameters");
        let deep = InferInputTensor { shape: vec![1; 20_000], ..InferInputTensor::default() };
        let shape = ModelInferRequest { inputs: vec![deep], ..ModelInferRequest::default() };
        assert_eq!(refused(&shape).message(), "the request has more than 16384 dimensions");
        let contents =
            InferTensorContents { bytes_contents: vec![bytes::Bytes::new(); 20_000], ..Default::default() };
        assert_eq!(refused(&with_contents(contents)).code(), ErrorCode::PayloadTooLarge);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&[0x0a][..], &[0x0a, 5, 1], &[0xff; 11], &[0x2b], &[0x2a, 2, 0x0a, 9], &[0x2d, 1]] {
            assert_eq!(weigh(bytes, 1 << 20).unwrap_err().code(), ErrorCode::InvalidArgument, "{bytes:?}");
        }
    }
}
