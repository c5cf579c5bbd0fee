//! The server's certificate and key.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig, crypto::ring};

/// Why a certificate and a key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// One of the files cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// There is nothing of the kind in the file.
    #[error(
        "{path} has no {what}: it must be a PEM file with a line -----BEGIN {marker}-----; are certificate and key in each other's \
         place?"
    )]
    Missing {
        /// The file.
        path: String,
        /// `certificate` or `private key`.
        what: &'static str,
        /// What its first line says.
        marker: &'static str,
    },
    /// The key is that of another certificate.
    #[error("the key in {key} is not that of the certificate in {certificate}: take both from the same place")]
    Mismatch {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
    },
    /// They cannot be understood.
    #[error("the certificate in {certificate} and the key in {key} cannot be used: {reason}")]
    Unusable {
        /// The file of the certificate.
        certificate: String,
        /// The file of the key.
        key: String,
        /// Why not.
        reason: String,
    },
}

/// Reads both: TLS 1.2 and 1.3, HTTP/1.1.
///
/// # Errors
/// [`TlsError`].
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let names = (certificate.display().to_string(), key.display().to_string());
    let certificates = read(&names.0, |pem| CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>())?;
    if certificates.is_empty() {
        return Err(TlsError::Missing { path: names.0, what: "certificate", marker: "CERTIFICATE" });
    }
    let missing_key =
        |path: &str| TlsError::Missing { path: path.to_owned(), what: "private key", marker: "PRIVATE KEY" };
    let key = read(&names.1, |pem| match PrivateKeyDer::from_pem_slice(pem) {
        Err(PemError::NoItemsFound) => Ok(None),
        key => key.map(Some),
    })?;
    let key = key.ok_or_else(|| missing_key(&names.1))?;
    let unusable = |error: rustls::Error| {
        let (certificate, key) = names.clone();
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate, key },
            error => TlsError::Unusable { certificate, key, reason: error.to_string() },
        }
    };
    // Not the process's own provider: another crate may have chosen one.
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder =
        builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12]).map_err(unusable)?;
    let mut config = builder.with_no_client_auth().with_single_cert(certificates, key).map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn read<T>(path: &str, parse: impl FnOnce(&[u8]) -> Result<T, PemError>) -> Result<T, TlsError> {
    let failed = |reason: String| TlsError::Unreadable { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    parse(&pem).map_err(|error| failed(format!("is no PEM file: {error}")))
}
