//! The digits of the demo, and what the model says of them. `data/digits/README.md` says where they come from.

use anyhow::{Context as _, Result, ensure};
use yard_client::InferAnswer;
use yard_types::{NamedTensor, Tensor, TensorData};

pub(super) const HELD_OUT_CSV: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/digits/held_out.csv"));

/// What a model that was trained on numbers calls its input.
const INPUT: &str = "features";

/// Pixels of an image: 8 rows of 8.
const PIXELS: usize = 64;
/// Pixels of a row.
const WIDTH: usize = 8;
/// The darkest value of a pixel.
const INK: f32 = 16.0;
/// From paper to ink.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// Digits that the model was not trained on.
pub(super) struct HeldOut {
    pub(super) images: Vec<[f32; PIXELS]>,
    pub(super) labels: Vec<usize>,
}

/// What the model says of one image.
#[derive(Debug, PartialEq)]
pub(super) struct Guess {
    pub(super) digit: usize,
    pub(super) probability: f32,
}

impl HeldOut {
    /// Reads the rows that are part of this program.
    pub(super) fn read() -> Result<Self> {
        let mut held_out = Self { images: Vec::new(), labels: Vec::new() };
        for record in csv::Reader::from_reader(HELD_OUT_CSV.as_bytes()).deserialize() {
            let values: Vec<f32> = record?;
            let (label, pixels) = values.split_last().context("a row of the held-out digits is empty")?;
            held_out.images.push(pixels.try_into().context("a held-out digit does not have 64 pixels")?);
            held_out.labels.push(format!("{label}").parse().context("a label is no digit")?);
        }
        ensure!(held_out.images.len() >= 100, "there are too few held-out digits");
        Ok(held_out)
    }

    /// The last row of each digit from 0 to 9.
    pub(super) fn last_of_each(&self) -> Vec<usize> {
        (0..10).filter_map(|digit| self.labels.iter().rposition(|label| *label == digit)).collect()
    }

    /// The row that is drawn and stands in the commands to try.
    pub(super) fn drawn(&self) -> usize {
        self.images.len() - 1
    }

    /// Some of the images as the model's input.
    pub(super) fn tensor(&self, rows: &[usize]) -> Result<NamedTensor> {
        let pixels = rows.iter().flat_map(|row| self.images[*row]).collect();
        let tensor = Tensor::new(vec![rows.len(), PIXELS], TensorData::Fp32(pixels))?;
        Ok(NamedTensor { name: INPUT.to_owned(), tensor })
    }
}

/// The most probable digit of each row of an answer.
pub(super) fn guesses(answer: &InferAnswer, rows: usize) -> Result<Vec<Guess>> {
    let output = answer.outputs.iter().find(|output| output.name == "probabilities");
    let tensor = &output.context("the answer has no probabilities")?.tensor;
    ensure!(*tensor.shape() == [rows, 10], "the answer has the shape {:?}", tensor.shape());
    let TensorData::Fp32(values) = tensor.data() else { anyhow::bail!("the probabilities are no FP32") };
    let (rows, _) = values.as_chunks::<10>();
    Ok(rows
        .iter()
        .map(|row| {
            let start = Guess { digit: 0, probability: row[0] };
            row.iter().enumerate().fold(start, |best, (digit, &probability)| {
                if probability > best.probability { Guess { digit, probability } } else { best }
            })
        })
        .collect())
}

/// The image in shades, each pixel two characters wide so that it looks square.
pub(super) fn draw(image: &[f32; PIXELS]) -> String {
    let shade = |pixel: &f32| {
        let place = SHADES.iter().enumerate().rev().find(|(place, _)| *pixel >= INK * step(*place));
        place.map_or(SHADES[0], |(_, shade)| *shade)
    };
    let lines = image.chunks(WIDTH).map(|row| {
        let row: String = row.iter().map(shade).flat_map(|shade| [shade, shade]).collect();
        format!("    {}", row.trim_end())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// From which part of full ink on a shade is used.
fn step(place: usize) -> f32 {
    [0.0, 0.15, 0.4, 0.65, 0.9].get(place).copied().unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_held_out_digits_are_all_ten_and_within_range() {
        let held_out = HeldOut::read().unwrap();
        let labels: Vec<usize> =
            held_out.last_of_each().into_iter().map(|row| held_out.labels[row]).collect();
        assert_eq!(labels, (0..10).collect::<Vec<_>>());
        assert!(held_out.images.as_flattened().iter().all(|pixel| (0.0..=INK).contains(pixel)));
    }

    #[test]
    fn a_drawing_goes_from_paper_to_ink() {
        let mut image = [0.0; PIXELS];
        image[..5].copy_from_slice(&[0.0, 4.0, 8.0, 12.0, 16.0]);
        let drawing = draw(&image);
        assert_eq!(drawing.lines().next().unwrap(), "      ░░▒▒▓▓██");
        assert_eq!(drawing.lines().count(), 8);
    }

    #[test]
    fn the_most_probable_digit_is_the_answer() {
        let mut values = vec![0.0; 20];
        (values[3], values[19]) = (0.9, 0.4);
        let tensor = Tensor::new(vec![2, 10], TensorData::Fp32(values)).unwrap();
        let outputs = vec![NamedTensor { name: "probabilities".into(), tensor }];
        let answer = InferAnswer { model: "digits".into(), version: "1".into(), outputs };
        let expected = [Guess { digit: 3, probability: 0.9 }, Guess { digit: 9, probability: 0.4 }];
        assert_eq!(guesses(&answer, 2).unwrap(), expected);
        assert!(guesses(&answer, 3).is_err());
    }
}
