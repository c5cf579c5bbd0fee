//! A real Alertmanager takes alerts, knows them by the same fingerprint, and sees their end.

use std::time::{Duration, SystemTime};

use ringscope::publish::{HttpOptions, Notifier};
use serde_json::Value;

use crate::delivery::{PATIENCE, Told, deep, hurried, until};
use crate::fake::receiver;
use crate::receivers::Alertmanager;

fn notifier(server: &Alertmanager, resend: Duration) -> Notifier {
    let address = format!("http://{}", server.address());
    Notifier::alertmanager(&address, HttpOptions::default())
        .unwrap()
        .named("alertmanager")
        .resend(resend)
        .delivery(hurried())
}

#[test]
fn an_alert_fires_there_and_is_resolved() {
    let Some(server) = Alertmanager::start() else { return };
    let (address, got) = receiver(&["200 OK"]);
    let webhook = Notifier::webhook(&format!("http://{address}"), HttpOptions::default()).unwrap();
    let mut told = Told::new(deep(), vec![notifier(&server, Duration::from_secs(3600)), webhook.delivery(hurried())]);
    told.world.now = SystemTime::now() - Duration::from_secs(60);
    told.look(0, 11);
    let alert = until("the alert", || server.alerts().pop());
    assert_eq!(alert["status"]["state"], "active", "{alert}");
    let labels = serde_json::json!({
        "alertname": "Deep", "severity": "critical", "kernel": "w", "team": "gpu", "instance": "trainer-7"
    });
    assert_eq!(alert["labels"], labels);
    assert_eq!(alert["annotations"]["runbook_url"], "http://wiki/w");
    assert_eq!(alert["annotations"]["summary"], "the queue's depth of kernel w is 11, above 10");
    let body: Value = serde_json::from_slice(&got.recv_timeout(PATIENCE).unwrap().body).unwrap();
    assert_eq!(alert["fingerprint"], body["alerts"][0]["fingerprint"], "it is known by the same number");
    assert_eq!(told.counts("alertmanager").dropped_items, [0; 6]);
    // The end lies in the past there, and so it shows it no more.
    told.world.now = SystemTime::now() - Duration::from_secs(1);
    told.look(0, 3);
    until("its end", || server.alerts().is_empty().then_some(()));
}

#[test]
fn what_is_not_sent_again_ends_there_and_what_is_stays() {
    let Some(server) = Alertmanager::start() else { return };
    let resend = Duration::from_millis(500);
    let mut told = Told::new(deep(), vec![notifier(&server, resend)]);
    let mut ends = Vec::new();
    // Again and again, its end moves on.
    while ends.len() < 3 {
        told.world.now = SystemTime::now();
        told.look(0, 11);
        let alert = server.alerts().pop();
        ends.extend(alert.map(|alert| alert["endsAt"].as_str().unwrap().to_owned()));
        ends.dedup();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(ends.is_sorted(), "{ends:?}");
    // The program died: nobody says that it is over.
    drop(told);
    until("its end", || server.alerts().is_empty().then_some(()));
}
