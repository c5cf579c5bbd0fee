//! The page itself: files that are part of the program, zipped once.

use std::io::Write;
use std::sync::{LazyLock, OnceLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::Bytes;

/// A file of the page.
pub struct Asset {
    /// Its path behind `/page/`; that of `/` is `index.html`.
    pub name: &'static str,
    contents: &'static [u8],
    packed: OnceLock<Packed>,
}

struct Packed {
    zipped: Bytes,
    tag: String,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        [$(Asset { name: $name, contents: include_bytes!(concat!("assets/", $name)), packed: OnceLock::new() }),*]
    };
}

/// All files of the page, by their paths in `assets/`. `page.js` is made of `modules/` by scripts/page.sh.
static ASSETS: LazyLock<Box<[Asset]>> = LazyLock::new(|| {
    Box::new(assets![
        "icon.svg",
        "index.html",
        "page.css",
        "page.js",
        "vendor/uPlot.LICENSE",
        "vendor/uPlot.iife.min.js",
        "vendor/uPlot.min.css",
    ])
});

/// Returns the file of that name.
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

impl Asset {
    /// Returns its type, by its name.
    pub fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" | "mjs" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            "png" => "image/png",
            _ => "text/plain; charset=utf-8",
        }
    }

    fn packed(&self) -> &Packed {
        self.packed.get_or_init(|| {
            let tag = format!("\"{:08x}-{:x}\"", crc32c::crc32c(self.contents), self.contents.len());
            Packed { zipped: zipped(self.contents, Compression::best()).into(), tag }
        })
    }

    /// Returns what changes with its contents.
    pub fn tag(&self) -> &str {
        &self.packed().tag
    }

    /// Returns it, zipped or not.
    pub fn bytes(&self, zip: bool) -> Bytes {
        if zip { self.packed().zipped.clone() } else { Bytes::from_static(self.contents) }
    }
}

/// Returns the bytes zipped.
pub fn zipped(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
