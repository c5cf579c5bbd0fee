//! What can be wrong between a destination and its receiver, for all destinations over HTTP alike.

pub mod cases;
pub mod server;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ringscope::TelemetryCollector;
use ringscope::publish::{Delivery, Outbox, Publication};
use ringscope::snapshot::PublisherTelemetry;
use ringscope::trace::Source;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use self::cases::{Case, To};

pub const KEY: &str = "s3cr3t-t0ken-that-nobody-may-see";
const LONG: Duration = Duration::from_secs(60);

/// Waits until something is so.
pub fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// That tries again soon.
pub fn hurried() -> Delivery {
    let mut delivery = Delivery::default();
    (delivery.retry_min, delivery.retry_max) = (Duration::from_millis(2), Duration::from_millis(8));
    delivery.circuit_pause = Duration::from_millis(10);
    delivery.flush_limit = Duration::from_millis(200);
    delivery
}

/// A destination, its outbox, and what it is given.
pub struct Run {
    pub collector: TelemetryCollector,
    pub outbox: Outbox,
    pub debug: String,
    source: Arc<Source>,
    number: u64,
}

impl Run {
    pub fn start(case: &Case, to: &To) -> Run {
        Run::with(case, to, hurried())
    }

    pub fn with(case: &Case, to: &To, delivery: Delivery) -> Run {
        let collector = TelemetryCollector::new(true);
        collector.monitor_operations().expect("it is on");
        let destination = (case.make)(to).expect("good settings");
        let debug = format!("{destination:?}");
        let outbox = Outbox::destination(destination, delivery).expect("a thread");
        outbox.attach(&collector);
        let source = Arc::new(Source::this_process("faults"));
        Run { collector, outbox, debug, source, number: 0 }
    }

    /// Offers a publication, and waits until it is in the queue.
    pub fn publish(&mut self) {
        self.number += 1;
        self.collector.record_processed("w", Some(Duration::from_micros(self.number))).expect("it is on");
        let snapshot = self.collector.snapshot().expect("it is on");
        let mut publication = Publication::of_snapshot(Arc::clone(&self.source), SystemTime::UNIX_EPOCH, snapshot);
        publication.number = self.number;
        // A full queue takes no differences: they are in the next one's.
        let taken = |status: PublisherTelemetry| status.encoded_items + status.skipped;
        let before = taken(self.status());
        self.outbox.offer(&publication);
        until("it is written", || taken(self.status()) > before);
    }

    pub fn status(&self) -> PublisherTelemetry {
        let counts = self.outbox.status();
        let sum = counts.published_items + counts.dropped_items.iter().sum::<u64>() + counts.queued_items;
        assert_eq!(counts.encoded_items, sum, "{counts:?}");
        counts
    }

    pub fn until(&self, what: &str, done: impl Fn(&PublisherTelemetry) -> bool) -> PublisherTelemetry {
        until(&format!("{what}: {:?}", self.status()), || done(&self.status()));
        self.status()
    }

    /// Everything that somebody may come to see of it.
    pub fn all_that_is_said(&self) -> String {
        let snapshot = self.collector.snapshot().expect("it is on");
        let status = self.status();
        let errors: Vec<String> = self.collector.network_operations().iter().map(|one| format!("{one:?}")).collect();
        let page = snapshot.export_prometheus();
        format!("{} {status:?} {:?} {snapshot:?} {errors:?} {page}", self.debug, self.outbox)
    }
}

/// A server's TLS, and what its clients must trust.
pub fn tls() -> (TlsAcceptor, Vec<u8>) {
    let key = || KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::<String>::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (authority_key, own_key) = (key(), key());
    let root = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
    let own = own.signed_by(&own_key, &issuer).expect("a certificate");
    let private = PrivateKeyDer::try_from(own_key.serialize_der()).expect("a key");
    let chain = vec![CertificateDer::from(own.der().to_vec())];
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config =
        config.expect("its versions").with_no_client_auth().with_single_cert(chain, private).expect("a certificate");
    (TlsAcceptor::from(Arc::new(config)), root.pem().into_bytes())
}
