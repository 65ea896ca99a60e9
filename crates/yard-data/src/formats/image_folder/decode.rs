//! PNG and JPEG to values, within a bound that counts the unfolded image.

use std::io::Cursor;
use std::panic::catch_unwind;

use png::{ColorType, Limits, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::error::DataError;

/// An image of 8 bits a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Channels (1 or 3), height, width.
    pub(crate) shape: [usize; 3],
    /// Channel by channel, row by row.
    pub(crate) values: Vec<u8>,
}

const PNG: &[u8] = b"\x89PNG";
const JPEG: &[u8] = b"\xff\xd8";
/// A value becomes a number of four bytes.
const BYTES_OF_A_VALUE: usize = size_of::<f32>();

/// Reads an image by what its first bytes say, whatever its name.
pub(crate) fn decode(bytes: &[u8], shown: &str, limit: usize) -> Result<Picture, DataError> {
    if bytes.starts_with(PNG) {
        decode_png(bytes, shown, limit)
    } else if bytes.starts_with(JPEG) {
        // A panic of the decoder over a broken file must not become more than a broken file.
        catch_unwind(|| decode_jpeg(bytes, shown, limit))
            .unwrap_or_else(|_| Err(DataError::malformed(shown, "jpeg", "its content is broken")))
    } else {
        Err(DataError::malformed(shown, "png or jpeg", "it starts like neither"))
    }
}

fn decode_png(bytes: &[u8], shown: &str, limit: usize) -> Result<Picture, DataError> {
    let malformed = |error: png::DecodingError| DataError::malformed(shown, "png", error.to_string());
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: limit });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(malformed)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let samples = reader.output_color_type().0.samples();
    check(width, height, samples, shown, limit)?;
    let size = reader.output_buffer_size().unwrap_or(usize::MAX);
    if size > limit {
        return Err(too_large(size, limit, shown));
    }
    let mut values = vec![0; size];
    let frame = reader.next_frame(&mut values).map_err(malformed)?;
    let (samples, channels) = match frame.color_type {
        ColorType::Grayscale => (1, 1),
        ColorType::GrayscaleAlpha => (2, 1),
        ColorType::Rgb => (3, 3),
        ColorType::Rgba => (4, 3),
        ColorType::Indexed => {
            return Err(DataError::malformed(shown, "png", "its palette could not be applied"));
        }
    };
    Ok(by_channel(&values, samples, channels, height, width))
}

fn decode_jpeg(bytes: &[u8], shown: &str, limit: usize) -> Result<Picture, DataError> {
    let malformed = |error: &dyn std::fmt::Debug| DataError::malformed(shown, "jpeg", format!("{error:?}"));
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| malformed(&error))?;
    let Some(info) = decoder.info() else {
        return Err(malformed(&"it has no header"));
    };
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    let gray = decoder.input_colorspace() == Some(ColorSpace::Luma);
    let channels = if gray { 1 } else { 3 };
    check(width, height, channels, shown, limit)?;
    let wanted = if gray { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(options.jpeg_set_out_colorspace(wanted));
    let values = decoder.decode().map_err(|error| malformed(&error))?;
    if values.len() != width * height * channels {
        return Err(malformed(&"it has fewer values than its size says"));
    }
    Ok(by_channel(&values, channels, channels, height, width))
}

fn check(width: usize, height: usize, samples: usize, shown: &str, limit: usize) -> Result<(), DataError> {
    let values = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(samples));
    let size = values.and_then(|values| values.checked_mul(BYTES_OF_A_VALUE)).unwrap_or(usize::MAX);
    if size > limit {
        return Err(too_large(size, limit, shown));
    }
    if size == 0 {
        return Err(DataError::malformed(shown, "image", "it has no pixels"));
    }
    Ok(())
}

fn too_large(size: usize, limit: usize, shown: &str) -> DataError {
    let what = "the unfolded image in bytes".to_owned();
    DataError::TooLarge { file: shown.to_owned(), what, found: size as u64, limit: limit as u64 }
}

/// From the values of a pixel beside each other to one channel after the other; further samples are transparency.
fn by_channel(values: &[u8], samples: usize, channels: usize, height: usize, width: usize) -> Picture {
    let channel = |channel: usize| values.iter().skip(channel).step_by(samples).take(width * height);
    let values = (0..channels).flat_map(channel).copied().collect();
    Picture { shape: [channels, height, width], values }
}
