//! What can be wrong with a file of values.

/// What is wrong with a file of values, where, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// There is no such file.
    #[error("{path}: no such file: check the spelling; for standard input use /dev/stdin")]
    Missing { path: String },
    /// A directory has no rows.
    #[error("{path}: is a directory: name a file in it")]
    Directory { path: String },
    /// The system refuses.
    #[error("{path}: cannot be read: {source}{}", crate::cli::workload::system::remedy(source))]
    Unreadable { path: String, source: std::io::Error },
    /// There is not even a line of names.
    #[error("{path}: is empty: its first line must name the columns, as in timestamp,value")]
    Empty { path: String },
    /// There are names and nothing else.
    #[error("{path}: has no row below its line of names: add rows such as 2026-11-22 07:30:00,12.5")]
    NoRows { path: String },
    /// A column that is needed is not there.
    #[error(
        "{path}: line 1: has no column '{column}', only {found}: name the two columns that are meant timestamp and value"
    )]
    NoColumn { path: String, column: &'static str, found: String },
    /// A name stands there twice.
    #[error("{path}: line 1: has two columns '{column}': rename the one that is not meant")]
    TwoColumns { path: String, column: &'static str },
    /// A row ends too soon.
    #[error("{path}: line {line}: has no cell in the column '{column}': fill it, or remove the row")]
    NoCell { path: String, line: u64, column: &'static str },
    /// A cell is no number.
    #[error(
        "{path}: line {line}, column 'value': '{cell}' is not a finite number: write one such as 12.5 or 3e6, or remove \
         the row"
    )]
    NotANumber { path: String, line: u64, cell: String },
    /// A cell is no time.
    #[error(
        "{path}: line {line}, column 'timestamp': '{cell}' is not a time: write it as 2026-11-22 07:30:00, or as seconds of \
         Unix time"
    )]
    NotATime { path: String, line: u64, cell: String },
    /// The rows are not in order.
    #[error(
        "{path}: line {line}, column 'timestamp': '{cell}' is before the row above it: sort the rows by time, as with \
         sort -t, -k1"
    )]
    Backwards { path: String, line: u64, cell: String },
    /// It is no text.
    #[error("{path}: line {line}: is not UTF-8: save the file as UTF-8 text")]
    NotText { path: String, line: u64 },
}
