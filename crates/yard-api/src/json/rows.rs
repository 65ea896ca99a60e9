//! Lists of elements, flat or nested.

use yard_types::TensorData;

use super::{Cursor, ElementFault, Fault, JsonError, element::Element};
use crate::limits::MAX_DIMENSIONS;

/// Why the elements of a tensor cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataFault {
    Json(JsonError),
    /// The element at `index`, spelled from byte `start` to `end`, is not a value of the data type.
    Value {
        index: usize,
        start: usize,
        end: usize,
        problem: &'static str,
    },
    /// There are fewer elements than the shape asks for.
    TooFew {
        got: usize,
    },
    /// There are more elements than the shape asks for.
    TooMany,
    /// A list stands where an element belongs, in row `row`.
    TooDeep {
        row: usize,
    },
    /// An element stands where a list belongs, in row `row`.
    TooShallow {
        row: usize,
    },
    /// A list in row `row`, `depth` lists deep, has not as many elements as it should; `None` means more.
    Length {
        row: usize,
        depth: usize,
        expected: usize,
        got: Option<usize>,
    },
}

impl From<JsonError> for DataFault {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

#[cold]
fn element_fault(fault: ElementFault, index: usize, row: usize) -> DataFault {
    match fault {
        ElementFault::Json(error) => DataFault::Json(error),
        ElementFault::Value { start, end, problem } => DataFault::Value { index, start, end, problem },
        ElementFault::List { .. } => DataFault::TooDeep { row },
    }
}

/// Most elements that the rest of the text can hold.
fn room<E: Element>(cursor: &Cursor<'_>) -> usize {
    cursor.rest().len() / E::LEAST_BYTES
}

/// Reads elements up to the `]` that ends the list whose `[` was taken. Stops with `TooMany` when `values` would pass
/// `limit` elements.
fn read_list<E: Element>(
    cursor: &mut Cursor<'_>,
    values: &mut Vec<E>,
    limit: usize,
    row: usize,
) -> Result<(), DataFault> {
    if cursor.take(b']') {
        return Ok(());
    }
    loop {
        if read_quickly(cursor, values, limit) == Ended::List {
            return Ok(());
        }
        // Here stands an element that needs more care, or something that is wrong.
        cursor.peek();
        let value = E::careful(cursor).map_err(|fault| element_fault(fault, values.len(), row))?;
        if values.len() >= limit {
            return Err(DataFault::TooMany);
        }
        values.push(value);
        match cursor.peek() {
            Some(b',') => cursor.advance(1),
            Some(b']') => {
                cursor.advance(1);
                return Ok(());
            }
            _ => return Err(cursor.unexpected("',' or ']'").into()),
        }
    }
}

/// Why [`read_quickly`] has come to an end.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    /// The `]` was taken.
    List,
    /// The next element is not one of the common spellings, or not one at all.
    Odd,
}

/// Reads the elements from here on as long as they have common spellings. The place in the text is kept in a local
/// variable, so that nothing but the elements is written to memory.
#[inline(never)]
fn read_quickly<E: Element>(cursor: &mut Cursor<'_>, values: &mut Vec<E>, limit: usize) -> Ended {
    let text = cursor.text();
    let mut at = cursor.at();
    let ended = loop {
        let Some(byte) = text.get(at) else { break Ended::Odd };
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            at += 1;
            continue;
        }
        let Some((value, end)) = E::quick(text, at) else { break Ended::Odd };
        let Some(next @ (b',' | b']')) = text.get(end) else { break Ended::Odd };
        if values.len() >= limit {
            break Ended::Odd;
        }
        values.push(value);
        at = end + 1;
        if *next == b']' {
            break Ended::List;
        }
    };
    cursor.move_to(at);
    ended
}

/// Reads the elements of a tensor of a known shape, which asks for `expected` elements: one flat list, or lists nested
/// as the shape says.
pub(crate) fn read_data<E: Element>(
    cursor: &mut Cursor<'_>,
    shape: &[usize],
    expected: usize,
) -> Result<TensorData, DataFault> {
    cursor.expect(b'[', "a list")?;
    let mut values = Vec::with_capacity(expected.min(room::<E>(cursor)));
    if shape.len() < 2 || cursor.peek() != Some(b'[') {
        read_list(cursor, &mut values, expected, 0)?;
    } else {
        let dims = std::array::from_fn(|depth| shape.get(depth).copied());
        read_nested(cursor, &mut values, Nesting { dims, rank: Some(shape.len()) })?;
    }
    if values.len() < expected {
        return Err(DataFault::TooFew { got: values.len() });
    }
    Ok(E::wrap(values))
}

/// Reads nested lists whose shape is yet to be seen. `hint` is how many elements the model usually takes.
pub(crate) fn read_rows<E: Element>(
    cursor: &mut Cursor<'_>,
    hint: usize,
) -> Result<(Vec<usize>, TensorData), DataFault> {
    cursor.expect(b'[', "a list of rows")?;
    let mut values = Vec::with_capacity(hint.min(room::<E>(cursor)));
    let unknown = Nesting { dims: [None; MAX_DIMENSIONS], rank: None };
    let nesting = read_nested(cursor, &mut values, unknown)?;
    // Each level down to the deepest was closed at least once, so that its length is known.
    let rank = nesting.rank.unwrap_or(1);
    let shape = nesting.dims.iter().take(rank).map(|length| length.unwrap_or(0)).collect();
    Ok((shape, E::wrap(values)))
}

/// Reads one bare element as a tensor without dimensions.
pub(crate) fn read_scalar<E: Element>(
    cursor: &mut Cursor<'_>,
) -> Result<(Vec<usize>, TensorData), DataFault> {
    cursor.peek();
    let value = match E::quick(cursor.text(), cursor.at()) {
        Some((value, end)) => {
            cursor.move_to(end);
            value
        }
        None => E::careful(cursor).map_err(|fault| element_fault(fault, 0, 0))?,
    };
    Ok((Vec::new(), E::wrap(vec![value])))
}

/// How lists nest, as far as it is known.
#[derive(Debug)]
struct Nesting {
    /// The length of every list at each depth.
    dims: [Option<usize>; MAX_DIMENSIONS],
    /// How many lists deep the elements are.
    rank: Option<usize>,
}

impl Nesting {
    /// Notes that a list at this depth has ended after `got` elements.
    fn close(&mut self, row: usize, depth: usize, got: usize) -> Result<(), DataFault> {
        match *self.dims.get_mut(depth).ok_or(DataFault::TooDeep { row })?.get_or_insert(got) {
            expected if expected != got => Err(DataFault::Length { row, depth, expected, got: Some(got) }),
            _ => Ok(()),
        }
    }
}

/// Reads nested lists, of which the outermost `[` was taken.
fn read_nested<E: Element>(
    cursor: &mut Cursor<'_>,
    values: &mut Vec<E>,
    mut nesting: Nesting,
) -> Result<Nesting, DataFault> {
    // How many elements or lists the open list at each depth has so far.
    let mut counts = [0_usize; MAX_DIMENSIONS];
    let mut depth = 0;
    loop {
        // Here the list at `depth` has just been opened.
        let row = counts[0];
        let holds_elements = match nesting.rank {
            Some(rank) => depth + 1 == rank,
            None => cursor.peek() != Some(b'['),
        };
        if holds_elements {
            nesting.rank = Some(depth + 1);
            let before = values.len();
            let limit = nesting.dims[depth].map_or(usize::MAX, |length| before.saturating_add(length));
            read_list(cursor, values, limit, row).map_err(|fault| match (fault, nesting.dims[depth]) {
                (DataFault::TooMany, Some(expected)) => DataFault::Length { row, depth, expected, got: None },
                (fault, _) => fault,
            })?;
            nesting.close(row, depth, values.len() - before)?;
        } else if cursor.take(b']') {
            nesting.close(row, depth, 0)?;
        } else {
            open_next(cursor, row)?;
            depth = deeper(cursor, depth)?;
            counts[depth] = 0;
            continue;
        }
        // Here a list has just been closed, and with it perhaps those around it.
        loop {
            let Some(outer) = depth.checked_sub(1) else { return Ok(nesting) };
            depth = outer;
            counts[depth] += 1;
            let row = counts[0];
            match cursor.peek() {
                Some(b',') => {
                    cursor.advance(1);
                    open_next(cursor, row)?;
                    depth = deeper(cursor, depth)?;
                    counts[depth] = 0;
                    break;
                }
                Some(b']') => {
                    cursor.advance(1);
                    nesting.close(row, depth, counts[depth])?;
                }
                _ => return Err(cursor.unexpected("',' or ']'").into()),
            }
        }
    }
}

fn open_next(cursor: &mut Cursor<'_>, row: usize) -> Result<(), DataFault> {
    match cursor.peek() {
        Some(b'[') => {
            cursor.advance(1);
            Ok(())
        }
        Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => Err(DataFault::TooShallow { row }),
        _ => Err(cursor.unexpected("a list").into()),
    }
}

fn deeper(cursor: &Cursor<'_>, depth: usize) -> Result<usize, JsonError> {
    let next = depth + 1;
    if next < MAX_DIMENSIONS { Ok(next) } else { Err(cursor.error(Fault::TooDeep)) }
}

/// Skips the list at the cursor, to be read once its type is known. Only brackets and strings are looked at: whatever
/// else is wrong comes out when the list is read.
pub(crate) fn skip_data(cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
    cursor.expect(b'[', "a list")?;
    let mut depth = 1_usize;
    while depth > 0 {
        let rest = cursor.rest();
        let Some(length) = rest.iter().position(|byte| matches!(byte, b'[' | b']' | b'"' | b'{')) else {
            return Err(cursor.error(Fault::EndOfText));
        };
        cursor.advance(length);
        match rest[length] {
            b'"' => {
                cursor.string("a string")?;
                continue;
            }
            b'[' if depth >= MAX_DIMENSIONS => return Err(cursor.error(Fault::TooDeep)),
            b'[' => depth += 1,
            b']' => depth -= 1,
            _ => return Err(cursor.error(Fault::Expected("a value that a tensor can hold"))),
        }
        cursor.advance(1);
    }
    Ok(())
}
