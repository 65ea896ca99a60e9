//! A folder with one folder for each class, PNG and JPEG files inside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use fs_err as fs;

use self::decode::{Picture, decode};
use crate::batches::{BatchReader, ReadLimits};
use crate::error::DataError;
use crate::source::FileSource;
use crate::typed::arrays::{image_array, image_field};

pub(crate) mod decode;

const FORMAT: &str = "image_folder";
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];
const MOST_FILES: usize = 10_000_000;

/// Reads the images class by class, both in the order of their names.
///
/// All must have one size and one number of channels, which the first says; transparency is left out. An image has the
/// shape channels, height, width, and values from 0 to 255.
pub(crate) struct ImageFolderReader {
    shown: String,
    folder: PathBuf,
    files: std::vec::IntoIter<PathBuf>,
    rows: u64,
    shape: [usize; 3],
    schema: SchemaRef,
    batch_rows: usize,
    limits: ReadLimits,
}

impl ImageFolderReader {
    pub(crate) fn open(file: &FileSource, limits: &ReadLimits) -> Result<Self, DataError> {
        let shown = file.shown();
        let files = list(&file.path, &shown)?;
        let Some(first) = files.first() else {
            let problem = "it has no folders with .png, .jpg or .jpeg files in them; each class is a folder";
            return Err(DataError::malformed(&shown, FORMAT, problem));
        };
        let shape = read(&file.path, first, &shown, limits)?.shape;
        let fields = vec![image_field("image", &shape), Field::new("label", DataType::Utf8, false)];
        let batch_rows = limits.rows_of(4 * shape.iter().product::<usize>());
        Ok(Self {
            shown,
            folder: file.path.clone(),
            rows: files.len() as u64,
            files: files.into_iter(),
            shape,
            schema: Arc::new(Schema::new(fields)),
            batch_rows,
            limits: limits.clone(),
        })
    }
}

impl BatchReader for ImageFolderReader {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn name(&self) -> &str {
        &self.shown
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, DataError> {
        let mut values: Vec<f32> = Vec::new();
        let mut classes: Vec<String> = Vec::new();
        for file in self.files.by_ref().take(self.batch_rows) {
            let picture = read(&self.folder, &file, &self.shown, &self.limits)?;
            if picture.shape != self.shape {
                let sizes = [picture.shape, self.shape]
                    .map(|[channels, height, width]| format!("{width}x{height} with {channels} channels"));
                let problem =
                    format!("it is {}, the first image is {}; make all images alike", sizes[0], sizes[1]);
                return Err(DataError::malformed(&named(&self.shown, &file), "image", problem));
            }
            values.extend(picture.values.into_iter().map(f32::from));
            let class = file.parent().and_then(Path::file_name).unwrap_or_default();
            classes.push(class.to_string_lossy().into_owned());
        }
        if classes.is_empty() {
            return Ok(None);
        }
        let images = image_array(values, self.shape.iter().product());
        let images =
            images.ok_or_else(|| DataError::malformed(&self.shown, FORMAT, "an image is too large"))?;
        let columns = vec![images, Arc::new(StringArray::from(classes)) as _];
        super::batch_of(&self.schema, columns, &self.shown, FORMAT).map(Some)
    }

    fn total_rows(&self) -> Option<u64> {
        Some(self.rows)
    }
}

impl std::fmt::Debug for ImageFolderReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ImageFolderReader").field("folder", &self.shown).finish_non_exhaustive()
    }
}

/// Every image below the folder, as `class/file`, sorted.
pub(crate) fn list(folder: &Path, shown: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut files = Vec::new();
    for class in names(folder, shown)? {
        let path = folder.join(&class);
        if !path.is_dir() {
            continue;
        }
        for file in names(&path, shown)? {
            let ending = file.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            if ENDINGS.contains(&ending.as_str()) {
                files.push(class.join(file));
            }
        }
        if files.len() > MOST_FILES {
            let (what, found, limit) =
                ("the number of files".to_owned(), files.len() as u64, MOST_FILES as u64);
            return Err(DataError::TooLarge { file: shown.to_owned(), what, found, limit });
        }
    }
    Ok(files)
}

/// What is in a folder, sorted, without what is hidden.
fn names(folder: &Path, shown: &str) -> Result<Vec<PathBuf>, DataError> {
    let failed = |error| DataError::read(shown, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if !name.as_encoded_bytes().starts_with(b".") {
            names.push(PathBuf::from(name));
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn read(folder: &Path, file: &Path, shown: &str, limits: &ReadLimits) -> Result<Picture, DataError> {
    use std::io::Read;

    let failed = |error| DataError::read(&named(shown, file), error);
    let mut bytes = Vec::new();
    let opened = fs::File::open(folder.join(file)).map_err(failed)?;
    opened.take(limits.row_bytes as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limits.row_bytes {
        let (what, limit) = ("the file in bytes".to_owned(), limits.row_bytes as u64);
        return Err(DataError::TooLarge { file: named(shown, file), what, found: bytes.len() as u64, limit });
    }
    decode(&bytes, &named(shown, file), limits.row_bytes)
}

fn named(shown: &str, file: &Path) -> String {
    format!("{shown}/{}", file.display())
}
