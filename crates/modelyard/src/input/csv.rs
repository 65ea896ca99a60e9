//! CSV: one row a line, with or without names of the columns.

use csv::{ReaderBuilder, StringRecord, Trim};
use half::{bf16, f16};
use yard_types::{DataType, NamedTensor, Signature, Tensor, TensorData, TensorSpec};

use super::{Header, ReadOptions, fit::shape_of_rows};

/// A record with the line it begins on.
struct Line {
    number: u64,
    cells: StringRecord,
}

/// Reads rows for a model of this signature. The columns of a model with several inputs are told by their names.
pub(super) fn read(
    content: &[u8],
    options: &ReadOptions,
    signature: &Signature,
) -> Result<Vec<NamedTensor>, String> {
    let mut lines = records(content)?;
    let names = match lines.first() {
        None => return Err("it is empty".to_owned()),
        Some(first) if has_header(first, options, signature) => Some(lines.remove(0).cells),
        Some(_) => None,
    };
    let Some(width) = lines.first().map(|line| line.cells.len()) else {
        return Err("it has names of columns and no row; for data without names, give --header no".to_owned());
    };
    let used = used_columns(width, names.as_ref(), &options.ignore)?;
    let columns = match signature.inputs.as_slice() {
        [_] => vec![used],
        inputs => columns_by_name(inputs, &used, names.as_ref())?,
    };
    let mut tensors = Vec::with_capacity(columns.len());
    for (spec, columns) in signature.inputs.iter().zip(columns) {
        let shape = shape_of_rows(spec, lines.len(), columns.len())?;
        let mut data = TensorData::with_capacity(spec.data_type, lines.len() * columns.len());
        for line in &lines {
            for column in &columns {
                let cell = line.cells.get(*column).unwrap_or_default();
                push_cell(&mut data, cell).map_err(|expected| {
                    let shown: String = cell.chars().take(32).collect();
                    format!("line {}, column {}: '{shown}' is not {expected}", line.number, column + 1)
                })?;
            }
        }
        let tensor = Tensor::new(shape, data).map_err(|error| error.to_string())?;
        tensors.push(NamedTensor { name: spec.name.clone(), tensor });
    }
    Ok(tensors)
}

fn records(content: &[u8]) -> Result<Vec<Line>, String> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut reader = ReaderBuilder::new().has_headers(false).trim(Trim::All).from_reader(content);
    let mut lines = Vec::new();
    for record in reader.records() {
        let cells = record.map_err(|error| explain(&error))?;
        let number = cells.position().map_or(0, csv::Position::line);
        lines.push(Line { number, cells });
    }
    Ok(lines)
}

fn explain(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line} has {len} columns, the lines before it {expected_len}")
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            format!("line {} is not UTF-8 text", pos.as_ref().map_or(0, csv::Position::line))
        }
        _ => error.to_string(),
    }
}

fn has_header(first: &Line, options: &ReadOptions, signature: &Signature) -> bool {
    match options.header {
        Header::Yes => true,
        Header::No => false,
        Header::Auto => {
            let takes_text = |spec: &TensorSpec| spec.data_type == DataType::Bytes;
            match signature.inputs.as_slice() {
                [spec] if takes_text(spec) => false,
                [_] => first
                    .cells
                    .iter()
                    .any(|cell| !cell.is_empty() && cell.parse::<f64>().is_err() && !is_truth(cell)),
                _ => true,
            }
        }
    }
}

fn is_truth(cell: &str) -> bool {
    matches!(cell, "true" | "false" | "True" | "False")
}

/// The places of the columns that are not to be left out.
fn used_columns(width: usize, names: Option<&StringRecord>, ignore: &[String]) -> Result<Vec<usize>, String> {
    let mut used: Vec<usize> = (0..width).collect();
    for wanted in ignore {
        let by_name = names.and_then(|names| names.iter().position(|name| name == wanted));
        let by_number = || wanted.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        match by_name.or_else(by_number).filter(|place| *place < width) {
            Some(place) => used.retain(|column| *column != place),
            None => return Err(format!("there is no column '{wanted}' to leave out")),
        }
    }
    Ok(used)
}

/// For each input the places of its columns: those called as the input, or as the input, a separator and more.
fn columns_by_name(
    inputs: &[TensorSpec],
    used: &[usize],
    names: Option<&StringRecord>,
) -> Result<Vec<Vec<usize>>, String> {
    let known = || {
        let known: Vec<&str> = inputs.iter().map(|spec| spec.name.as_str()).collect();
        known.join(", ")
    };
    let Some(names) = names else {
        return Err(format!(
            "the model has several inputs: the first line must name the columns ({})",
            known()
        ));
    };
    let mut columns = vec![Vec::new(); inputs.len()];
    for column in used {
        let name = names.get(*column).unwrap_or_default();
        let fitting = inputs.iter().enumerate().filter(|(_, spec)| belongs(name, &spec.name));
        match fitting.max_by_key(|(_, spec)| spec.name.len()) {
            Some((input, _)) => columns[input].push(*column),
            None => {
                return Err(format!(
                    "column '{name}' belongs to no input ({}); name it as the input, or leave it out with --ignore",
                    known()
                ));
            }
        }
    }
    match inputs.iter().zip(&columns).find(|(_, columns)| columns.is_empty()) {
        Some((spec, _)) => Err(format!("there is no column for input '{0}': name one '{0}'", spec.name)),
        None => Ok(columns),
    }
}

/// `size`, `size_0`, `size.width` and `size[3]` all belong to the input `size`; `sizes` does not.
fn belongs(column: &str, input: &str) -> bool {
    let rest = column.strip_prefix(input);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '.', '[', '-', ' ', ':']))
}

fn push_cell(data: &mut TensorData, cell: &str) -> Result<(), &'static str> {
    const REAL: &str = "a number (write NaN for a missing one)";
    const WHOLE: &str = "a whole number that the model's data type can hold";
    macro_rules! parsed {
        ($values:expr, $expected:expr) => {
            $values.push(cell.parse().map_err(|_| $expected)?)
        };
    }
    match data {
        TensorData::Bool(values) => values.push(match cell {
            "1" | "true" | "True" => true,
            "0" | "false" | "False" => false,
            _ => return Err("true or false"),
        }),
        TensorData::Uint8(values) => parsed!(values, WHOLE),
        TensorData::Uint16(values) => parsed!(values, WHOLE),
        TensorData::Uint32(values) => parsed!(values, WHOLE),
        TensorData::Uint64(values) => parsed!(values, WHOLE),
        TensorData::Int8(values) => parsed!(values, WHOLE),
        TensorData::Int16(values) => parsed!(values, WHOLE),
        TensorData::Int32(values) => parsed!(values, WHOLE),
        TensorData::Int64(values) => parsed!(values, WHOLE),
        TensorData::Fp16(values) => values.push(f16::from_f64(cell.parse().map_err(|_| REAL)?)),
        TensorData::Bf16(values) => values.push(bf16::from_f64(cell.parse().map_err(|_| REAL)?)),
        TensorData::Fp32(values) => parsed!(values, REAL),
        TensorData::Fp64(values) => parsed!(values, REAL),
        TensorData::Bytes(values) => values.push(cell.to_owned().into()),
    }
    Ok(())
}
