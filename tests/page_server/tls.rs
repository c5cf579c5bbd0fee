//! `https://`: what is served there is the same, and what is no TLS is told so.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use ringscope::TelemetryCollector;
use ringscope::publish::{ServeError, TelemetryServer, TlsError};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::serve;

/// A certificate for localhost and its key, in files; and the certificate.
pub fn files() -> (TempDir, String, String, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    fs::write(&certificate, cert.pem()).unwrap();
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    (folder, certificate, key, cert.der().clone())
}

/// What is answered to this over TLS.
pub fn ask(
    address: &str,
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    head: &str,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(crate::PATIENCE))?;
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
    write!(stream, "{head}Host: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn everything_is_served_encrypted() {
    let (_folder, certificate, key, trusted) = files();
    let collector = TelemetryCollector::new(true);
    collector.record_receive("a").unwrap();
    let (server, address) = serve(&collector, |builder| builder.tls(&certificate, &key).token("0123456789abcdef"));
    assert!(server.url().starts_with("https://"));
    for version in [&TLS12, &TLS13] {
        let refused = ask(&address, &trusted, version, "GET /metrics HTTP/1.1\r\n").unwrap();
        assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
        let head = "GET /snapshot.json HTTP/1.1\r\nAuthorization: Bearer 0123456789abcdef\r\n";
        let answer = ask(&address, &trusted, version, head).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"kernel_id\":\"a\""), "{answer}");
    }
    // Another certificate than the one that is trusted.
    let (_other, .., not_trusted) = files();
    assert!(ask(&address, &not_trusted, &TLS13, "GET / HTTP/1.1\r\n").is_err());
    // Who speaks plain HTTP is told, and who says nothing, or nonsense, keeps nobody.
    let plain = crate::client::get(&address, "/metrics");
    assert!(plain.status == 400 && plain.text().contains("https://"), "{}", plain.text());
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let mut nonsense = TcpStream::connect(&address).unwrap();
    nonsense.write_all(&[22; 2000]).unwrap();
    assert!(ask(&address, &trusted, &TLS13, "GET / HTTP/1.1\r\n").unwrap().starts_with("HTTP/1.1 200 "));
    drop((silent, nonsense));
}

#[test]
fn what_is_wrong_with_the_files_is_said() {
    let (folder, certificate, key, _) = files();
    let (_other, _, other_key, _) = files();
    let nothing = folder.path().join("nothing.pem").to_str().unwrap().to_owned();
    let broken = folder.path().join("broken.pem").to_str().unwrap().to_owned();
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n").unwrap();
    let fails = |certificate: &str, key: &str| {
        let error = TelemetryServer::builder("127.0.0.1:0").tls(certificate, key).bind().err().expect("an error");
        let ServeError::Tls(error) = error else { panic!("{error:?}") };
        error
    };
    for (certificate, key, part) in [
        (&nothing, &key, "No such file"),
        (&certificate, &nothing, "No such file"),
        (&broken, &key, "is no PEM file"),
        (&key, &certificate, "has no certificate"),
        (&certificate, &certificate, "has no private key"),
        (&certificate, &other_key, "is not that of the certificate"),
    ] {
        let said = fails(certificate, key).to_string();
        assert!(said.contains(part), "{said}");
    }
    assert!(matches!(fails(&certificate, &other_key), TlsError::Mismatch { .. }));
    assert!(!fails(&key, &certificate).to_string().contains("PRIVATE KEY-----\n"), "what is in the files is not said");
}
