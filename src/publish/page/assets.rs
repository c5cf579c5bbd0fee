//! The page itself: files that are part of the program, zipped once.

use std::io::Write;
use std::sync::{LazyLock, OnceLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;

/// A file of the page.
pub struct Asset {
    /// Behind `/page/`; that of `/` is `index.html`.
    pub name: &'static str,
    /// Its type.
    pub content_type: &'static str,
    contents: &'static str,
    packed: OnceLock<Packed>,
}

struct Packed {
    zipped: Bytes,
    tag: String,
}

macro_rules! assets {
    ($($name:literal: $content_type:literal),* $(,)?) => {
        LazyLock::new(|| vec![$(Asset {
            name: $name,
            content_type: $content_type,
            contents: include_str!(concat!("assets/", $name)),
            packed: OnceLock::new(),
        }),*])
    };
}

static ASSETS: LazyLock<Vec<Asset>> = assets![
    "index.html": "text/html; charset=utf-8",
];

/// Returns the file of that name.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

impl Asset {
    fn packed(&self) -> &Packed {
        self.packed.get_or_init(|| {
            let tag = format!("\"{:08x}-{:x}\"", crc32c::crc32c(self.contents.as_bytes()), self.contents.len());
            Packed { zipped: zipped(self.contents.as_bytes(), Compression::best()).into(), tag }
        })
    }

    /// Returns what changes with its contents.
    pub fn tag(&self) -> &str {
        &self.packed().tag
    }

    /// Returns it, zipped or not.
    pub fn bytes(&self, zip: bool) -> Bytes {
        if zip { self.packed().zipped.clone() } else { Bytes::from_static(self.contents.as_bytes()) }
    }
}

/// Returns the bytes zipped.
pub fn zipped(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
