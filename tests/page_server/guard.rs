//! Who is answered, and what a browser is told to allow.

use std::io::Read;

use flate2::read::GzDecoder;
use ringscope::TelemetryCollector;
use ringscope::publish::{ServeError, TelemetryServer};

use crate::client::{Stream, get, get_with};
use crate::serve;
use crate::serving::request;

const TOKEN: &str = "0123456789abcdef0123";
const CLOSED: &[&str] = &[
    "/metrics",
    "/snapshot.json",
    "/summary.json",
    "/stuck",
    "/moment.json",
    "/history.json",
    "/entries.json",
    "/alerts.json",
    "/blocks.json?kernel=a",
    "/live",
    "/live.rscope",
    "/trace.pftrace",
];

#[test]
fn without_the_token_there_is_nothing_but_the_page() {
    let collector = TelemetryCollector::new(true);
    collector.record_receive("a").unwrap();
    let (_server, address) = serve(&collector, |builder| builder.token(TOKEN));
    let wrong = format!("Authorization: Bearer {}x\r\n", &TOKEN[1..]);
    let twice = format!("Authorization: Bearer {TOKEN}\r\n").repeat(2);
    for path in CLOSED {
        for headers in ["", "Authorization: Bearer\r\n", "Authorization: Basic YTpi\r\n", &wrong, &twice] {
            let answer = get_with(&address, path, headers);
            assert_eq!(
                (answer.status, answer.header("www-authenticate")),
                (401, Some("bearer realm=\"ringscope\"")),
                "{path}"
            );
            assert!(answer.text().contains("Authorization: Bearer TOKEN") && !answer.text().contains(TOKEN));
        }
        // A token in the address would be in logs.
        let query = format!("{path}{}token={TOKEN}", if path.contains('?') { '&' } else { '?' });
        assert_eq!(get(&address, &query).status, 401, "{query}");
        let right = format!("Authorization: Bearer {TOKEN}\r\n");
        match path.starts_with("/live") {
            true => assert!(Stream::open(&address, path, &right).head.starts_with("http/1.1 200 "), "{path}"),
            false => assert_eq!(get_with(&address, path, &right).status, 200, "{path}"),
        }
    }
    for path in ["/", "/api", "/page/index.html"] {
        assert_eq!(get(&address, path).status, 200, "{path}");
    }
    let health = get(&address, "/healthz");
    assert_eq!((health.status, health.text()), (200, "{\"healthy\":true}".to_owned()));
    let health = get_with(&address, "/healthz", &format!("Authorization: Bearer {TOKEN}\r\n"));
    assert_eq!(health.json()["kernels"], 1);
}

#[test]
fn a_token_that_is_no_good_is_refused_before_anything_is_served() {
    for wrong in ["", "short", "0123456789 abcdef", "0123456789abcdéfgh"] {
        let error = TelemetryServer::builder("127.0.0.1:0").token(wrong).bind().err().expect("an error");
        assert!(matches!(error, ServeError::BadToken { .. }));
        let said = format!("{error} {error:?}");
        assert!(said.contains("openssl rand") && (wrong.is_empty() || !said.contains(wrong)), "{said}");
    }
    let collector = TelemetryCollector::new(true);
    let (server, _) = serve(&collector, |builder| builder.token(TOKEN));
    assert!(!format!("{server:?}").contains(TOKEN));
}

#[test]
fn a_browser_may_load_the_page_and_nothing_else() {
    let collector = TelemetryCollector::new(true);
    let (_server, address) = serve(&collector, |builder| builder);
    let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let page = get_with(&address, "/", browser);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(
        (page.header("vary"), page.header("cache-control")),
        (Some("accept, accept-encoding"), Some("no-cache"))
    );
    assert!(page.text().contains("<html"));
    for path in ["/", "/snapshot.json", "/nothing", "/history.json?points=x"] {
        let answer = get_with(&address, path, browser);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        for part in ["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "connect-src 'self'"] {
            assert!(policy.contains(part), "{part}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert!(answer.header("set-cookie").is_none() && answer.header("access-control-allow-origin").is_none());
    }
    assert_eq!(get(&address, "/snapshot.json").header("cache-control"), Some("no-store"));
    // The page is zipped where it may be, and not sent again.
    let zipped = get_with(&address, "/", &format!("{browser}Accept-Encoding: gzip, br\r\n"));
    assert_eq!((zipped.header("content-encoding"), &zipped.body[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
    let tag = page.header("etag").unwrap().to_owned();
    let again = get_with(&address, "/", &format!("{browser}If-None-Match: {tag}\r\n"));
    assert_eq!((again.status, again.body.len()), (304, 0));
    for way in
        ["/page/../page/index.html", "/page/%2e%2e/Cargo.toml", "/page/", "/page/nothing.js", "/page//etc/passwd"]
    {
        assert_eq!(get(&address, way).status, 404, "{way}");
    }
}

#[test]
fn documents_are_zipped_where_that_is_worth_it() {
    let collector = TelemetryCollector::new(true);
    (0..40).for_each(|n| collector.record_receive(&format!("actor_{n}")).unwrap());
    let (_server, address) = serve(&collector, |builder| builder);
    crate::until("the first snapshot with them", || {
        get(&address, "/snapshot.json").text().contains("actor_39").then_some(())
    });
    let plain = get(&address, "/snapshot.json");
    let zipped = get_with(&address, "/snapshot.json", "Accept-Encoding: gzip\r\n");
    assert_eq!((plain.header("content-encoding"), zipped.header("content-encoding")), (None, Some("gzip")));
    assert!(
        zipped.body.len() * 4 < plain.body.len()
            && zipped.header("vary").is_some_and(|vary| vary.contains("accept-encoding"))
    );
    for refuses in ["Accept-Encoding: gzip;q=0\r\n", "Accept-Encoding: br\r\n"] {
        let answer = get_with(&address, "/snapshot.json", refuses);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None));
    }
    for path in ["/alerts.json", "/healthz", "/summary.json", "/moment.json", "/history.json", "/entries.json"] {
        let answer = get_with(&address, path, "Accept-Encoding: gzip\r\n");
        let mut text = String::new();
        match answer.header("content-encoding") {
            Some(_) => drop(GzDecoder::new(&*answer.body).read_to_string(&mut text).unwrap()),
            None => text = answer.text(),
        }
        assert!(answer.status == 200 && serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{path}: {text}");
    }
}

#[test]
fn only_this_machine_and_only_reading() {
    let collector = TelemetryCollector::new(true);
    let (_server, address) = serve(&collector, |builder| builder);
    let (_, port) = address.rsplit_once(':').unwrap();
    for path in CLOSED.iter().chain(&["/", "/api", "/page/index.html", "/healthz"]) {
        let head = format!("GET {path} HTTP/1.1\r\nHost: evil.example:{port}\r\nConnection: close\r\n\r\n");
        assert_eq!(crate::serving::exchange(&address, &head).status, 403, "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let answer = request(&address, &format!("{method} {path} HTTP/1.1\r\nContent-Length: 0\r\n"));
            assert_eq!((answer.status, answer.header("allow")), (405, Some("get, head")), "{method} {path}");
        }
    }
}
