//! What is known of a recording beside its moments.

/// Of the file, and of what was read of it.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What the recording is called: its file's name.
    pub name: String,
    /// What it says of itself: a name and a value, such as the device's.
    pub facts: Vec<(String, String)>,
    /// Where it was damaged, and what became of the rest.
    pub damage: Option<String>,
}
