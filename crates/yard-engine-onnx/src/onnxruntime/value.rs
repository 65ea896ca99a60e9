//! Tensors as ONNX Runtime's values and back.
//!
//! Inputs are lent, not copied, except strings; outputs are copied once.

use std::{ffi::c_void, marker::PhantomData, ptr, ptr::NonNull, slice};

use bytes::Bytes;
use ort::{AsPointer, memory::Allocator};
use ort_sys::{ONNXTensorElementDataType as Element, OrtMemoryInfo, OrtTensorTypeAndShapeInfo, OrtValue};
use yard_types::{DataType, Tensor, TensorData};

/// Most dimensions of a tensor, so that shapes need no allocation.
const MAX_RANK: usize = 64;

/// A value of the runtime; what it borrows lives for `'a`.
pub(super) struct Value<'a> {
    pointer: NonNull<OrtValue>,
    borrowed: PhantomData<&'a Tensor>,
}

/// Where lent memory is: in main memory. Made once, since making it allocates.
pub(super) struct MainMemory(NonNull<OrtMemoryInfo>);

/// Why a value cannot be made or read.
pub(super) enum ValueError {
    Runtime(ort::Error),
    /// The runtime gave no tensor, one of another type than declared, or one that cannot be.
    Unexpected(String),
}

impl From<ort::Error> for ValueError {
    fn from(error: ort::Error) -> Self {
        Self::Runtime(error)
    }
}

/// Turns the runtime's status into a result.
#[expect(unsafe_code, reason = "statuses are raw pointers that must be freed once")]
pub(super) fn check(status: ort_sys::OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: every caller passes what a function of the runtime just returned, and passes it once.
    unsafe { ort::Error::result_from_status(status) }
}

// === impl MainMemory ===

#[expect(unsafe_code, reason = "the information is a raw pointer that nothing changes")]
// SAFETY: the runtime only reads it after it was made.
unsafe impl Send for MainMemory {}
#[expect(unsafe_code, reason = "the information is a raw pointer that nothing changes")]
// SAFETY: the runtime only reads it after it was made.
unsafe impl Sync for MainMemory {}

impl MainMemory {
    #[expect(unsafe_code, reason = "a call of the C interface")]
    pub(super) fn new() -> ort::Result<Self> {
        let mut info = ptr::null_mut();
        // SAFETY: the function writes the pointer, and nothing else, where it succeeds.
        check(unsafe {
            (ort::api().CreateCpuMemoryInfo)(
                ort_sys::OrtAllocatorType::OrtDeviceAllocator,
                ort_sys::OrtMemType::OrtMemTypeDefault,
                &mut info,
            )
        })?;
        NonNull::new(info).map(Self).ok_or_else(|| ort::Error::new("it made no memory information"))
    }
}

impl Drop for MainMemory {
    #[expect(unsafe_code, reason = "a call of the C interface")]
    fn drop(&mut self) {
        // SAFETY: the pointer came from the runtime, is not null, and is released once.
        unsafe { (ort::api().ReleaseMemoryInfo)(self.0.as_ptr()) }
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    /// A value that lends the tensor's elements, or copies them where they are strings.
    pub(super) fn lend(tensor: &'a Tensor, memory: &MainMemory) -> Result<Self, ValueError> {
        let (bytes, element) = match tensor.data() {
            TensorData::Bool(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL),
            TensorData::Uint8(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8),
            TensorData::Uint16(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16),
            TensorData::Uint32(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32),
            TensorData::Uint64(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64),
            TensorData::Int8(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8),
            TensorData::Int16(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16),
            TensorData::Int32(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32),
            TensorData::Int64(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64),
            TensorData::Fp16(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16),
            TensorData::Bf16(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16),
            TensorData::Fp32(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT),
            TensorData::Fp64(values) => (raw(values), Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE),
            TensorData::Bytes(values) => return Self::strings(tensor.shape(), values),
        };
        Self::lend_bytes(tensor.shape(), bytes, element, memory)
    }

    #[expect(unsafe_code, reason = "calls of the C interface")]
    fn lend_bytes(
        shape: &[usize],
        (data, length): (*const c_void, usize),
        element: Element,
        memory: &MainMemory,
    ) -> Result<Self, ValueError> {
        let mut buffer = [0; MAX_RANK];
        let shape = signed_shape(shape, &mut buffer)?;
        let mut value = ptr::null_mut();
        // SAFETY: `data` points to `length` bytes that live for `'a` and hold as many elements as the shape says, which
        // `Tensor` guarantees. The runtime never writes to inputs, so that the cast to a mutable pointer is sound.
        check(unsafe {
            (ort::api().CreateTensorWithDataAsOrtValue)(
                memory.0.as_ptr(),
                data.cast_mut(),
                length,
                shape.as_ptr(),
                shape.len(),
                element,
                &mut value,
            )
        })?;
        Self::own(value)
    }

    #[expect(unsafe_code, reason = "calls of the C interface")]
    fn strings(shape: &[usize], values: &[Bytes]) -> Result<Self, ValueError> {
        let mut buffer = [0; MAX_RANK];
        let shape = signed_shape(shape, &mut buffer)?;
        let allocator = Allocator::default();
        let mut value = ptr::null_mut();
        // SAFETY: the allocator is the runtime's default one, which lives as long as the process.
        check(unsafe {
            (ort::api().CreateTensorAsOrtValue)(
                allocator.ptr().cast_mut(),
                shape.as_ptr(),
                shape.len(),
                Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING,
                &mut value,
            )
        })?;
        let value = Self::own(value)?;
        for (place, text) in values.iter().enumerate() {
            let mut room = ptr::null_mut();
            // SAFETY: the value is a string tensor with `values.len()` elements.
            check(unsafe {
                (ort::api().GetResizedStringTensorElementBuffer)(
                    value.pointer.as_ptr(),
                    place,
                    text.len(),
                    &mut room,
                )
            })?;
            if !text.is_empty() {
                // SAFETY: the runtime just made room for `text.len()` bytes, which nobody else uses.
                unsafe { ptr::copy_nonoverlapping(text.as_ptr(), room.cast(), text.len()) };
            }
        }
        Ok(value)
    }

    /// Takes over a value that the runtime made.
    pub(super) fn own(value: *mut OrtValue) -> Result<Self, ValueError> {
        let pointer =
            NonNull::new(value).ok_or_else(|| ValueError::Unexpected("there is no value".to_owned()))?;
        Ok(Self { pointer, borrowed: PhantomData })
    }

    pub(super) const fn pointer(&self) -> *const OrtValue {
        self.pointer.as_ptr()
    }

    /// Copies the value, which must be a tensor of this type.
    pub(super) fn to_tensor(&self, expected: DataType) -> Result<Tensor, ValueError> {
        let (shape, element) = self.shape_and_type()?;
        let data_type = data_type(element);
        if data_type != Some(expected) {
            let got = data_type.map_or_else(|| format!("{element:?}"), |got| got.to_string());
            return Err(ValueError::Unexpected(format!("it is {got}, but the model declares {expected}")));
        }
        let count =
            Tensor::element_count(&shape).map_err(|error| ValueError::Unexpected(error.to_string()))?;
        let data = match expected {
            // The runtime may hold any byte here, Rust only zero and one.
            DataType::Bool => {
                TensorData::Bool(self.copy::<u8>(count)?.into_iter().map(|byte| byte != 0).collect())
            }
            DataType::Uint8 => TensorData::Uint8(self.copy(count)?),
            DataType::Uint16 => TensorData::Uint16(self.copy(count)?),
            DataType::Uint32 => TensorData::Uint32(self.copy(count)?),
            DataType::Uint64 => TensorData::Uint64(self.copy(count)?),
            DataType::Int8 => TensorData::Int8(self.copy(count)?),
            DataType::Int16 => TensorData::Int16(self.copy(count)?),
            DataType::Int32 => TensorData::Int32(self.copy(count)?),
            DataType::Int64 => TensorData::Int64(self.copy(count)?),
            DataType::Fp16 => TensorData::Fp16(self.copy(count)?),
            DataType::Bf16 => TensorData::Bf16(self.copy(count)?),
            DataType::Fp32 => TensorData::Fp32(self.copy(count)?),
            DataType::Fp64 => TensorData::Fp64(self.copy(count)?),
            DataType::Bytes => TensorData::Bytes(self.copy_strings(count)?),
        };
        Tensor::new(shape, data).map_err(|error| ValueError::Unexpected(error.to_string()))
    }

    #[expect(unsafe_code, reason = "calls of the C interface")]
    fn shape_and_type(&self) -> Result<(Vec<usize>, Element), ValueError> {
        /// Frees the description on every way out.
        struct Description(*mut OrtTensorTypeAndShapeInfo);
        impl Drop for Description {
            fn drop(&mut self) {
                // SAFETY: the pointer came from the runtime and is released once.
                unsafe { (ort::api().ReleaseTensorTypeAndShapeInfo)(self.0) }
            }
        }
        let api = ort::api();
        let mut description = ptr::null_mut();
        // SAFETY: the value is alive; the function fails where it is no tensor.
        check(unsafe { (api.GetTensorTypeAndShape)(self.pointer(), &mut description) })?;
        let description = Description(description);
        let mut rank = 0;
        let mut element = Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
        let mut dims = [0_i64; MAX_RANK];
        // SAFETY: the description is alive, and the results are written to variables of the right types.
        check(unsafe { (api.GetTensorElementType)(description.0, &mut element) })?;
        // SAFETY: as above.
        check(unsafe { (api.GetDimensionsCount)(description.0, &mut rank) })?;
        if rank > MAX_RANK {
            return Err(ValueError::Unexpected(format!("it has {rank} dimensions")));
        }
        // SAFETY: as above; `dims` has room for `rank` numbers.
        check(unsafe { (api.GetDimensions)(description.0, dims.as_mut_ptr(), rank) })?;
        let shape = dims[..rank].iter().map(|dim| usize::try_from(*dim)).collect::<Result<_, _>>();
        let shape = shape.map_err(|_| ValueError::Unexpected(format!("its shape is {:?}", &dims[..rank])))?;
        Ok((shape, element))
    }

    /// Copies `count` elements of a plain number type; the caller has checked that the tensor has that many of that type.
    #[expect(unsafe_code, reason = "calls of the C interface")]
    fn copy<T: Copy>(&self, count: usize) -> Result<Vec<T>, ValueError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut data = ptr::null_mut();
        // SAFETY: the value is alive and a tensor of numbers.
        check(unsafe { (ort::api().GetTensorMutableData)(self.pointer.as_ptr(), &mut data) })?;
        if data.is_null() {
            return Err(ValueError::Unexpected("it has no data".to_owned()));
        }
        // SAFETY: the tensor has `count` elements, contiguous and aligned, of a type with `T`'s layout for which every
        // bit pattern is valid; nobody writes to them while `self` is borrowed.
        Ok(unsafe { slice::from_raw_parts(data.cast::<T>(), count) }.to_vec())
    }

    /// Copies all strings into one buffer that the elements share.
    #[expect(unsafe_code, reason = "calls of the C interface")]
    fn copy_strings(&self, count: usize) -> Result<Vec<Bytes>, ValueError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let api = ort::api();
        let mut length = 0;
        // SAFETY: the value is alive and a tensor of strings.
        check(unsafe { (api.GetStringTensorDataLength)(self.pointer(), &mut length) })?;
        let mut text = vec![0_u8; length];
        let mut starts = vec![0_usize; count];
        // SAFETY: as above; both buffers are as long as the function is told.
        check(unsafe {
            (api.GetStringTensorContent)(
                self.pointer(),
                text.as_mut_ptr().cast(),
                text.len(),
                starts.as_mut_ptr(),
                starts.len(),
            )
        })?;
        let text = Bytes::from(text);
        let ends = starts.iter().skip(1).copied().chain([length]);
        let mut strings = Vec::with_capacity(count);
        for (start, end) in starts.iter().zip(ends) {
            if *start > end || end > length {
                return Err(ValueError::Unexpected("its strings overlap".to_owned()));
            }
            strings.push(text.slice(*start..end));
        }
        Ok(strings)
    }
}

impl Drop for Value<'_> {
    #[expect(unsafe_code, reason = "a call of the C interface")]
    fn drop(&mut self) {
        // SAFETY: the pointer came from the runtime, is not null, and is released once.
        unsafe { (ort::api().ReleaseValue)(self.pointer.as_ptr()) }
    }
}

fn raw<T>(values: &[T]) -> (*const c_void, usize) {
    (values.as_ptr().cast(), size_of_val(values))
}

fn signed_shape<'b>(shape: &[usize], buffer: &'b mut [i64; MAX_RANK]) -> Result<&'b [i64], ValueError> {
    let Some(room) = buffer.get_mut(..shape.len()) else {
        return Err(ValueError::Unexpected(format!("it has {} dimensions", shape.len())));
    };
    for (signed, size) in room.iter_mut().zip(shape) {
        *signed = i64::try_from(*size)
            .map_err(|_| ValueError::Unexpected(format!("it has the impossible dimension {size}")))?;
    }
    Ok(room)
}

const fn data_type(element: Element) -> Option<DataType> {
    Some(match element {
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL => DataType::Bool,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 => DataType::Uint8,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16 => DataType::Uint16,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32 => DataType::Uint32,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64 => DataType::Uint64,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8 => DataType::Int8,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16 => DataType::Int16,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 => DataType::Int32,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 => DataType::Int64,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 => DataType::Fp16,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16 => DataType::Bf16,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT => DataType::Fp32,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE => DataType::Fp64,
        Element::ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING => DataType::Bytes,
        _ => return None,
    })
}
