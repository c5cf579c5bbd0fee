//! Every destination over HTTP meets every fault: nothing is lost that the queue could hold, everything else is counted, and no
//! key is told to anybody.
#![cfg(all(
    feature = "otlp",
    feature = "remote-write",
    feature = "pushgateway",
    feature = "elasticsearch",
    feature = "grafana-cloud"
))]

mod faults;

use std::time::{Duration, SystemTime};

use faults::cases::{CASES, Case, To};
use faults::server::{Fault, Server};
use faults::{KEY, Run, hurried, tls, until};
use ringscope::snapshot::DropReason;

/// Longer than any answer of a server that answers.
const PATIENT: Duration = Duration::from_secs(60);

fn to(server: &Server, timeout: Duration) -> To {
    To { url: format!("http://{}", server.address), ca_pem: None, timeout, key: KEY.to_owned() }
}

/// Meets these faults one after the other with three publications in the queue: all three arrive, each is taken once or where
/// its answer was lost twice, each failure is counted and made good.
fn meets(case: &Case, faults: Vec<Fault>, timeout: Duration, reason: &str) {
    let server = Server::start(case.good);
    let count = faults.len() as u64;
    server.script(faults.clone());
    let mut run = Run::start(case, &to(&server, timeout));
    for _ in 0..3 {
        run.publish();
    }
    let name = format!("{} with {faults:?}", case.name);
    let after = run.until(&name, |c| c.queued_items == 0);
    assert_eq!((after.published_items, after.dropped_items), (after.encoded_items, [0; 6]), "{name}: {after:?}");
    // Under a short limit a busy machine may be late with what nothing is wrong with.
    let more = if timeout < PATIENT { after.failures.saturating_sub(count) } else { 0 };
    assert_eq!((after.failures, after.retries), (count + more, count + more), "{name}: {after:?}");
    assert!(server.taken() as u64 >= after.attempts - after.failures, "{name}: {after:?}");
    let error = after.last_error.as_deref().unwrap_or_default();
    assert!(error.contains(reason), "{name}: {error}");
    assert!(!run.all_that_is_said().contains(KEY), "{name}");
    let is_told = |head: &String| head.contains(KEY) || head.contains("authorization: Basic ");
    assert!(server.heads().iter().all(is_told), "the receiver is told the key");
    // Its requests are measured like everybody's.
    let snapshot = run.collector.snapshot().expect("it is on");
    let network = snapshot.operations.as_ref().expect("they are monitored").network_totals();
    assert_eq!((network.failed, network.succeeded), (after.failures, after.attempts - after.failures), "{name}");
}

#[test]
fn connections_that_break() {
    for case in CASES {
        meets(case, vec![Fault::ResetsTheRequest, Fault::ResetsTheRequest], PATIENT, "cannot be reached");
        meets(case, vec![Fault::ResetsTheAnswer, Fault::ResetsTheAnswer], PATIENT, "cannot be reached");
    }
}

#[test]
fn receivers_that_are_busy_or_broken() {
    for case in CASES {
        let date = SystemTime::now() + Duration::from_secs(1);
        meets(case, vec![Fault::busy("0"), Fault::busy("1"), Fault::busy_until(date)], PATIENT, "(429): no room");
        meets(case, (0..60).map(|i| Fault::status(500 + i % 5)).collect(), PATIENT, "is busy or broken (50");
    }
}

#[test]
fn receivers_that_are_slow() {
    for case in CASES {
        let soon = Duration::from_millis(150);
        meets(case, vec![Fault::Silent], soon, "did not answer within 150ms");
        meets(case, vec![Fault::TakesNothing], soon, "did not answer within 150ms");
    }
}

#[test]
fn answers_that_are_none() {
    for case in CASES {
        meets(case, vec![Fault::Malformed], PATIENT, "");
        meets(case, vec![Fault::Endless], PATIENT, "longer than 1048576 bytes");
    }
}

#[test]
fn what_a_receiver_will_never_take_is_dropped_and_the_rest_arrives() {
    for case in CASES {
        // What is too much at once Elasticsearch gets in halves.
        let too_much = (case.name != "elasticsearch").then_some(413);
        for status in [400, 401, 403, 308].into_iter().chain(too_much) {
            let server = Server::start(case.good);
            let mut run = Run::start(case, &to(&server, PATIENT));
            run.publish();
            run.until("the first", |c| c.queued_items == 0);
            let first = run.status();
            server.script([Fault::Answers(status, vec![("location", "http://127.0.0.1:1/elsewhere".to_owned())])]);
            run.publish();
            run.publish();
            let after = run.until("the others", |c| c.queued_items == 0);
            let dropped = after.dropped(DropReason::Rejected);
            assert!(dropped > 0, "{} {status}: {after:?}", case.name);
            assert_eq!((after.failures, after.retries), (1, 0), "{} {status}: {after:?}", case.name);
            assert_eq!(after.attempts, 3 * first.attempts, "{} {status}", case.name);
            assert!(!run.all_that_is_said().contains(KEY));
        }
    }
}

/// Killed, gone for a while, and there again on the same port.
#[test]
fn a_receiver_that_is_killed_and_restarted() {
    for case in CASES {
        let server = Server::start(case.good);
        let mut run = Run::start(case, &to(&server, PATIENT));
        run.publish();
        run.until("the first", |c| c.queued_items == 0);
        let (address, taken) = (server.address, server.taken());
        drop(server);
        for _ in 0..10 {
            run.publish();
        }
        let refused = run.until("it is refused", |c| c.circuit_open && c.failures >= 8);
        assert!(refused.last_error.as_deref().is_some_and(|e| e.contains("cannot be reached")), "{refused:?}");
        assert!(refused.queued_items > 0 && refused.dropped_items == [0; 6]);
        let server = Server::on(address, case.good, None);
        let after = run.until("it is there again", |c| c.queued_items == 0);
        assert_eq!((after.published_items, after.circuit_open), (after.encoded_items, false), "{}", case.name);
        assert_eq!(server.taken(), 10 * taken, "{}: each publication, once", case.name);
    }
}

/// What is beyond the queue is counted, to the item.
#[test]
fn a_receiver_that_is_gone_for_longer_than_the_queue_holds() {
    for case in CASES {
        let server = Server::start(case.good);
        server.always(Some(Fault::status(503)));
        let mut run = Run::start(case, &to(&server, PATIENT));
        run.publish();
        let one = run.status();
        drop(run);
        let mut delivery = hurried();
        delivery.queue_bytes = one.queued_bytes as usize * 3;
        let mut run = Run::with(case, &to(&server, PATIENT), delivery);
        for _ in 0..20 {
            run.publish();
        }
        let full = run.until("it is full", |c| c.dropped(DropReason::Full) > 0 || c.skipped > 0);
        assert!(full.queued_bytes <= one.queued_bytes * 3);
        server.always(None);
        let after = run.until("it is there", |c| c.queued_items == 0);
        assert_eq!(after.published_items + after.dropped(DropReason::Full), after.encoded_items, "{}", case.name);
        assert_eq!(server.taken() as u64, after.attempts - after.failures, "{}", case.name);
    }
}

#[test]
fn a_host_that_no_name_server_knows() {
    for case in CASES {
        let url = "https://receiver.invalid:4318".to_owned();
        let to = To { url, ca_pem: None, timeout: PATIENT, key: KEY.to_owned() };
        let mut run = Run::start(case, &to);
        run.publish();
        let counts = run.until("it fails", |c| c.failures > 0);
        let error = counts.last_error.as_deref().unwrap_or_default();
        assert!(error.starts_with("receiver.invalid:4318 cannot be reached: "), "{}: {error}", case.name);
        assert!(!run.all_that_is_said().contains(KEY));
        run.outbox.stop();
        assert_eq!(run.status().dropped(DropReason::Shutdown), run.status().encoded_items);
    }
}

#[test]
fn a_certificate_that_is_not_trusted_and_one_that_is() {
    let (acceptor, pem) = tls();
    for case in CASES {
        let server = Server::with_tls(case.good, acceptor.clone());
        let mut to = to(&server, PATIENT);
        to.url = to.url.replace("http://", "https://");
        let mut run = Run::start(case, &to);
        run.publish();
        let counts = run.until("it fails", |c| c.failures > 1);
        let error = counts.last_error.as_deref().unwrap_or_default();
        assert!(error.contains("cannot be reached") && error.contains("certificate"), "{}: {error}", case.name);
        assert_eq!((server.taken(), server.heads().len()), (0, 0), "the key is not told to who is not trusted");
        drop(run);
        to.ca_pem = Some(pem.clone());
        let mut run = Run::start(case, &to);
        run.publish();
        let counts = run.until("it arrives", |c| c.queued_items == 0);
        assert_eq!((counts.published_items, counts.failures), (counts.encoded_items, 0), "{}", case.name);
        assert!(server.taken() > 0);
        assert!(!run.all_that_is_said().contains(KEY));
    }
}

#[test]
fn the_end_comes_in_time_whatever_the_receiver_does() {
    for case in CASES {
        for fault in [Fault::Silent, Fault::TakesNothing, Fault::busy("3600"), Fault::status(503)] {
            let server = Server::start(case.good);
            server.always(Some(fault.clone()));
            let mut run = Run::start(case, &to(&server, PATIENT));
            run.publish();
            until("it is tried", || run.status().attempts > 0);
            // It would take a minute.
            run.outbox.stop();
            let counts = run.status();
            assert_eq!(counts.dropped(DropReason::Shutdown), counts.encoded_items, "{} {fault:?}", case.name);
        }
    }
}
