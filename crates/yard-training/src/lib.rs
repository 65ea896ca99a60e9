//! Training of every kind of model: data and a specification in, the files of a version out.
