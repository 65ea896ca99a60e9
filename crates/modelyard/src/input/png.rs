//! PNG images: greyscale or colour, as rows of a model.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Limits, Transformations};
use yard_types::{Dim, Tensor, TensorData, TensorSpec};

use super::convert::{self, Number};

/// Most bytes that an image may take once it is unpacked.
const MAX_UNPACKED: usize = 256 << 20;

/// An unpacked image: rows from the top, pixels from the left, channels together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    height: usize,
    width: usize,
    /// 1 for greyscale, 3 for colour.
    channels: usize,
    samples: Vec<u16>,
}

pub(super) fn decode(content: &[u8]) -> Result<Image, String> {
    let odd = |error: png::DecodingError| format!("it is no readable PNG image: {error}");
    let mut decoder = Decoder::new_with_limits(Cursor::new(content), Limits { bytes: MAX_UNPACKED });
    // Palettes become colours and 1, 2 and 4 bits become 8; 16 bits stay.
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(odd)?;
    let (color, depth) = reader.output_color_type();
    let channels = match color {
        ColorType::Grayscale => 1,
        ColorType::Rgb => 3,
        ColorType::GrayscaleAlpha | ColorType::Rgba | ColorType::Indexed => {
            return Err(
                "it has transparency, which no model takes: save it without an alpha channel".to_owned()
            );
        }
    };
    let size = reader.output_buffer_size().filter(|size| *size <= MAX_UNPACKED);
    let mut raw = vec![0; size.ok_or("it is too large")?];
    let frame = reader.next_frame(&mut raw).map_err(odd)?;
    raw.truncate(frame.buffer_size());
    let samples = match depth {
        BitDepth::Sixteen => raw.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect(),
        _ => raw.into_iter().map(u16::from).collect(),
    };
    let side = |length: u32| usize::try_from(length).map_err(|_| "it is too large".to_owned());
    Ok(Image { height: side(frame.height)?, width: side(frame.width)?, channels, samples })
}

impl Image {
    /// The image as one row of an input. Its size must be what the model takes: nothing is resized behind anyone's
    /// back.
    pub(super) fn into_row(self, spec: &TensorSpec, scale: f64) -> Result<Tensor, String> {
        let dims = spec.shape.as_deref().unwrap_or_default();
        let Some((_, inner)) = dims.split_first() else {
            return Err(format!("input '{}' is no image: it has no dimensions", spec.name));
        };
        let (order, shape) = self.place(inner).ok_or_else(|| self.misfit(spec))?;
        let mut data = TensorData::with_capacity(spec.data_type, self.samples.len());
        for sample in self.in_order(order) {
            let number = if scale == 1.0 {
                Number::Whole(sample.into())
            } else {
                Number::Real(f64::from(sample) * scale)
            };
            convert::push(&mut data, number).map_err(|_| {
                let advice = "choose another --scale";
                format!(
                    "a sample of {sample} times {scale} is no {} that input '{}' takes; {advice}",
                    spec.data_type, spec.name
                )
            })?;
        }
        Tensor::new(std::iter::once(1).chain(shape).collect(), data).map_err(|error| error.to_string())
    }

    /// Where the channels stand, and the shape, for the dimensions of a row. A model of one flat dimension gets pixels
    /// in reading order.
    fn place(&self, inner: &[Dim]) -> Option<(Order, Vec<usize>)> {
        let (height, width, channels) = (self.height, self.width, self.channels);
        let candidates = match inner.len() {
            1 => vec![(Order::ChannelsLast, vec![self.samples.len()])],
            2 if channels == 1 => vec![(Order::ChannelsLast, vec![height, width])],
            3 => vec![
                (Order::ChannelsFirst, vec![channels, height, width]),
                (Order::ChannelsLast, vec![height, width, channels]),
            ],
            _ => vec![],
        };
        let fits = |shape: &[usize]| {
            inner.iter().zip(shape).all(|(dim, size)| match dim {
                Dim::Fixed(fixed) => fixed == size,
                Dim::Symbol(_) | Dim::Any => true,
            })
        };
        candidates.into_iter().find(|(_, shape)| fits(shape))
    }

    fn in_order(&self, order: Order) -> impl Iterator<Item = u16> + '_ {
        let (pixels, channels) = (self.height * self.width, self.channels);
        (0..self.samples.len()).map(move |place| match order {
            Order::ChannelsLast => self.samples[place],
            Order::ChannelsFirst => self.samples[(place % pixels) * channels + place / pixels],
        })
    }

    fn misfit(&self, spec: &TensorSpec) -> String {
        let shape: Vec<String> = spec.wire_shape().iter().map(ToString::to_string).collect();
        let kind = if self.channels == 1 { "greyscale" } else { "colour" };
        format!(
            "it is a {kind} image of {} by {} pixels, but input '{}' takes [{}]; images are not resized: make it fit first",
            self.width,
            self.height,
            spec.name,
            shape.join(",")
        )
    }
}

/// Where the channels stand in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    ChannelsFirst,
    ChannelsLast,
}
