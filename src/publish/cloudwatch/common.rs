//! What calls and lines have in common.

use super::super::publication::Publication;
use super::super::publisher::Published;
use crate::export::cloudwatch::{Dimension, Format};

/// The format, with the name of the publication's service as a dimension unless there is one.
pub(super) fn with_service(format: &Format, publication: &Publication) -> Format {
    let mut format = format.clone();
    if !format.dimensions.iter().any(|dimension| dimension.name == "service") {
        format.dimensions.extend(Dimension::new("service", &publication.source.service));
    }
    format
}

pub(super) fn rejected(items: u64) -> Published {
    let why = "CloudWatch takes at most 30 dimensions, and no values beyond 2^360".to_owned();
    Published { rejected: items, warning: Some(why), ..Published::default() }
}
