//! One call of a function, read while it is written: a JSON object with a name and arguments, in either order.

/// What has been read of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Its function is known.
    Name(String),
    /// More of its arguments, which are JSON text.
    Arguments(String),
}

/// It is no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoCall;

/// Where the reader stands in the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Beginning,
    BeforeKey,
    InKey,
    BehindKey,
    BeforeValue,
    InValue,
    BehindValue,
    Done,
}

/// What the value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Name,
    Arguments,
    Other,
}

/// Longest name, and longest key, in bytes as written.
const LONGEST_NAME: usize = 1_024;

#[derive(Debug)]
pub(super) struct CallReader {
    place: Place,
    member: Member,
    /// Brackets that are open within the value.
    depth: usize,
    in_text: bool,
    is_escaped: bool,
    /// The key or value that is being read, as far as it is needed.
    raw: String,
    has_name: bool,
    /// Arguments that came before the name.
    early: String,
    has_arguments: bool,
}

impl CallReader {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Beginning,
            member: Member::Other,
            depth: 0,
            in_text: false,
            is_escaped: false,
            raw: String::new(),
            has_name: false,
            early: String::new(),
            has_arguments: false,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    pub(super) const fn has_arguments(&self) -> bool {
        self.has_arguments
    }

    /// Whether its function is known.
    pub(super) const fn has_name(&self) -> bool {
        self.has_name
    }

    /// Reads one character; `pieces` takes what it tells.
    pub(super) fn push(&mut self, next: char, pieces: &mut Vec<Piece>) -> Result<(), NoCall> {
        match self.place {
            Place::InKey => self.in_key(next),
            Place::InValue => self.in_value(next, pieces),
            _ if next.is_whitespace() => Ok(()),
            Place::Beginning if next == '{' => self.go_to(Place::BeforeKey),
            Place::BeforeKey if next == '"' => {
                self.raw = String::from(next);
                self.go_to(Place::InKey)
            }
            Place::BeforeKey | Place::BehindValue if next == '}' => self.end(pieces),
            Place::BehindKey if next == ':' => self.go_to(Place::BeforeValue),
            Place::BeforeValue => self.begin_value(next, pieces),
            Place::BehindValue if next == ',' => self.go_to(Place::BeforeKey),
            _ => Err(NoCall),
        }
    }

    fn go_to(&mut self, place: Place) -> Result<(), NoCall> {
        self.place = place;
        Ok(())
    }

    /// Whether this character ends the text that is being read.
    fn ends_text(&mut self, next: char) -> bool {
        let ends = next == '"' && !self.is_escaped;
        self.is_escaped = next == '\\' && !self.is_escaped;
        ends
    }

    fn in_key(&mut self, next: char) -> Result<(), NoCall> {
        self.raw.push(next);
        if self.raw.len() > LONGEST_NAME {
            return Err(NoCall);
        }
        if !self.ends_text(next) {
            return Ok(());
        }
        self.member = match text(&self.raw)?.as_str() {
            "name" if !self.has_name => Member::Name,
            "arguments" | "parameters" if !self.has_arguments => Member::Arguments,
            "id" | "type" => Member::Other,
            // Behind the name it is a call, whatever else the model writes.
            _ if self.has_name => Member::Other,
            // Another object, which is an answer and no call.
            _ => return Err(NoCall),
        };
        self.go_to(Place::BehindKey)
    }

    fn begin_value(&mut self, next: char, pieces: &mut Vec<Piece>) -> Result<(), NoCall> {
        let fits = match self.member {
            Member::Name => next == '"',
            Member::Arguments => matches!(next, '{' | '"' | 'n'),
            Member::Other => true,
        };
        if !fits {
            return Err(NoCall);
        }
        self.has_arguments |= self.member == Member::Arguments;
        self.raw = String::new();
        (self.depth, self.in_text, self.is_escaped) = (0, false, false);
        self.place = Place::InValue;
        self.in_value(next, pieces)
    }

    fn in_value(&mut self, next: char, pieces: &mut Vec<Piece>) -> Result<(), NoCall> {
        if self.in_text {
            self.take(next, pieces)?;
            if self.ends_text(next) {
                self.in_text = false;
                if self.depth == 0 {
                    return self.end_value(pieces);
                }
            }
            return Ok(());
        }
        // A number or a word ends with what follows it.
        if self.depth == 0 && !self.raw_is_empty() && (next.is_whitespace() || matches!(next, ',' | '}')) {
            self.end_value(pieces)?;
            return self.push(next, pieces);
        }
        self.take(next, pieces)?;
        match next {
            '"' => (self.in_text, self.is_escaped) = (true, false),
            '{' | '[' => self.depth += 1,
            '}' | ']' => {
                self.depth = self.depth.checked_sub(1).ok_or(NoCall)?;
                if self.depth == 0 {
                    return self.end_value(pieces);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn raw_is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Takes a character of the value. Arguments that are an object are passed on as they are written.
    fn take(&mut self, next: char, pieces: &mut Vec<Piece>) -> Result<(), NoCall> {
        let is_object = self.raw.starts_with('{') || (self.raw.is_empty() && next == '{');
        match self.member {
            Member::Arguments if is_object => {
                if self.raw.is_empty() {
                    self.raw.push(next);
                }
                self.tell(next, pieces);
            }
            Member::Other if self.raw.is_empty() => self.raw.push(next),
            Member::Other => {}
            Member::Name if self.raw.len() > LONGEST_NAME => return Err(NoCall),
            Member::Name | Member::Arguments => self.raw.push(next),
        }
        Ok(())
    }

    fn tell(&mut self, next: char, pieces: &mut Vec<Piece>) {
        if !self.has_name {
            self.early.push(next);
        } else if let Some(Piece::Arguments(arguments)) = pieces.last_mut() {
            arguments.push(next);
        } else {
            pieces.push(Piece::Arguments(next.to_string()));
        }
    }

    fn end_value(&mut self, pieces: &mut Vec<Piece>) -> Result<(), NoCall> {
        match self.member {
            Member::Name => {
                pieces.push(Piece::Name(text(&self.raw)?));
                self.has_name = true;
                if !self.early.is_empty() {
                    pieces.push(Piece::Arguments(std::mem::take(&mut self.early)));
                }
            }
            Member::Arguments if !self.raw.starts_with('{') => {
                // Some models write the arguments as a text that holds them, or `null` for none.
                let written = match self.raw.as_str() {
                    "null" => "{}".to_owned(),
                    raw => text(raw)?,
                };
                for letter in written.chars() {
                    self.tell(letter, pieces);
                }
            }
            Member::Arguments | Member::Other => {}
        }
        self.go_to(Place::BehindValue)
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), NoCall> {
        if !self.has_name {
            return Err(NoCall);
        }
        if !self.has_arguments {
            pieces.push(Piece::Arguments("{}".to_owned()));
        }
        self.go_to(Place::Done)
    }
}

/// The text that a JSON string stands for.
fn text(raw: &str) -> Result<String, NoCall> {
    serde_json::from_str(raw).map_err(|_| NoCall)
}
