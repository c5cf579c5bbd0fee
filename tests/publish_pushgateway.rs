//! A Pushgateway takes a run's page, and a Prometheus that scrapes it has the device's counts and histograms.
#![cfg(all(feature = "pushgateway", feature = "host", unix))]

mod live_run;
mod receivers;

use ringscope::publish::{Environment, PublishError, Publisher, Pushgateway, Target};

use live_run::Live;
use live_run::fake::receiver;
use receivers::{Prometheus, Pushgateway as Gateway};

fn from(url: &str, environment: &Environment) -> Result<Pushgateway, PublishError> {
    Pushgateway::from_target(Target::parse(url)?, environment)
}

fn to(address: &str, options: &str) -> Pushgateway {
    from(&format!("pushgateway+http://{address}{options}"), &Environment::of([])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_kept_scraped_and_deleted() {
    let Some(gateway) = Gateway::start() else { return };
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs: [{{job_name: push, honor_labels: true, static_configs: [{{targets: ['{}']}}]}}]\n",
        gateway.address()
    );
    let Some(prometheus) = Prometheus::with_config(&config) else { return };
    let live = Live::start().await;
    let destination = to(&gateway.address(), "?job=nightly/one&labels=rack=7&delete=true");
    let publication = live.publication();
    let published = destination.publish(&publication).await.unwrap();
    assert!(published.items > 90 && published.rejected == 0, "{published:?}");
    let group = &gateway.groups()[0];
    assert_eq!(group["labels"], serde_json::json!({"job": "nightly/one", "instance": "one", "rack": "7"}));
    assert_eq!(group["last_push_successful"], true);
    let page = gateway.metrics_page();
    for kernel in &publication.snapshot.kernels {
        let device = kernel.device.map(|device| format!("device=\"{device}\",")).unwrap_or_default();
        let labels =
            format!("{{{device}instance=\"one\",job=\"nightly/one\",kernel={:?},rack=\"7\"}}", kernel.kernel_id);
        for (name, count) in [
            ("messages_sent_total", kernel.messages_sent),
            ("received_bytes_total", kernel.bytes_in),
            ("message_duration_seconds_count", kernel.histogram.count()),
        ] {
            let line = format!("\nringscope_kernel_{name}{labels} {count}\n");
            assert!(page.contains(&line), "{line} in {page}");
        }
        // It hands native histograms on.
        let native = format!("ringscope_kernel_message_duration_nanoseconds{labels}");
        prometheus.wait_for(&format!("histogram_count({native})"), |n| n == kernel.histogram.count() as f64);
        assert_eq!(prometheus.value(&format!("histogram_sum({native})")), Some(kernel.histogram.sum() as f64));
    }
    let mut last = live.publication();
    last.running = false;
    assert_eq!(destination.publish(&last).await.unwrap().items, 0);
    assert_eq!(gateway.groups(), serde_json::json!([]));
}

#[tokio::test]
async fn the_last_page_stays_unless_it_is_to_be_deleted() {
    let live = Live::start().await;
    let mut last = live.publication();
    last.running = false;
    for (options, method, path) in [
        ("", "PUT", "/metrics/job/live%20run/instance/one"),
        ("/behind?instance=&job=%20x", "PUT", "/behind/metrics/job/%20x/instance@base64/="),
        ("?instance=a/b&delete=true", "DELETE", "/metrics/job/live%20run/instance@base64/YS9i"),
    ] {
        let (address, got) = receiver(&["202 Accepted"]);
        to(&address, options).publish(&last).await.unwrap();
        let got = got.recv().unwrap();
        assert_eq!((&*got.method, &*got.path), (method, path));
        assert_eq!(got.body, if method == "PUT" { last.snapshot.export_prometheus_protobuf() } else { Vec::new() });
    }
}

#[tokio::test]
async fn what_it_refuses_and_who_asks() {
    let live = Live::start().await;
    let (address, got) = receiver(&["400 Bad Request\n\npushed metrics are invalid"]);
    let environment = Environment::of([("PUSHGATEWAY_USERNAME", "me"), ("PUSHGATEWAY_PASSWORD", "sesame")]);
    let destination = from(&format!("pushgateway+http://{address}"), &environment).unwrap();
    let error = destination.publish(&live.publication()).await.unwrap_err();
    assert!(error.is_permanent() && error.to_string().contains("pushed metrics are invalid"), "{error}");
    // "me:sesame".
    assert_eq!(got.recv().unwrap().header("authorization"), "Basic bWU6c2VzYW1l");
    assert!(!format!("{destination:?} {error:?}").contains("sesame"));
    for (url, why) in [
        ("pushgateway+http://", "host:port"),
        ("pushgateway+http://x?job=", "a group has a job"),
        ("pushgateway+http://x?delete=perhaps", "true, false"),
        ("pushgateway+http://x?labels=rack", "name=value"),
        ("pushgateway+http://x?labels=0=1", "letters"),
        ("pushgateway+http://x?colour=red", "colour"),
        ("pushgateway+http://x?timeout=0s", "longer than 0"),
    ] {
        let said = from(url, &Environment::of([])).unwrap_err().to_string();
        assert!(said.contains(why), "{url}: {said}");
    }
}
