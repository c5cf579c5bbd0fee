//! W3C's Trace Context, in and out: what is right comes back as it was, what is wrong is named.

use proptest::prelude::*;
use ringscope::trace::{ContextError, SpanId, TraceContext, TraceId};

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn context() -> TraceContext {
    TraceContext::parse(GOOD).unwrap()
}

#[test]
fn what_is_no_traceparent_is_named() {
    let length = |bytes| ContextError::Length { bytes };
    let separator = |at| ContextError::Separator { at };
    let cases = [
        ("", length(0)),
        ("0", length(1)),
        ("00", length(2)),
        (&GOOD[..54], length(54)),
        (&format!("{GOOD}-"), length(56)),
        (&format!("{GOOD}-future"), length(62)),
        (&GOOD.replacen("00", "ff", 1), ContextError::Version),
        (&GOOD.replacen("00", "0g", 1), ContextError::Version),
        (&GOOD.replacen("00", "AA", 1), ContextError::Version),
        (&GOOD.replacen("00-", "00_", 1), separator(2)),
        (&GOOD.replacen("36-", "36.", 1), separator(35)),
        (&GOOD.replacen("b7-", "b7.", 1), separator(52)),
        (&(GOOD.replacen("00", "cc", 1) + "."), separator(55)),
        (&GOOD.replacen("4bf9", "4BF9", 1), ContextError::TraceId),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", ContextError::TraceId),
        (&GOOD.replacen("f067", "f0é", 1), ContextError::SpanId),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", ContextError::SpanId),
        (&GOOD.replacen("-01", "-0A", 1), ContextError::Flags),
    ];
    for (text, error) in cases {
        assert_eq!(TraceContext::parse(text), Err(error), "{text}");
    }
}

#[test]
fn later_versions_are_read_as_far_as_this_one_knows_them() {
    for text in [GOOD.replacen("00", "01", 1), GOOD.replacen("00", "fe", 1), GOOD.replacen("00", "cc", 1) + "-more-é"]
    {
        assert_eq!(TraceContext::parse(&text), Ok(context()), "{text}");
    }
    // Flags that nobody knows yet are not handed on.
    assert_eq!(
        TraceContext::parse(&GOOD.replacen("-01", "-ff", 1)).unwrap().traceparent(),
        GOOD.replacen("-01", "-03", 1)
    );
    assert!(context().sampled() && !TraceContext::parse(&GOOD.replacen("-01", "-00", 1)).unwrap().sampled());
}

#[test]
fn a_tracestate_is_handed_on_or_its_wrong_member_named() {
    let state = |text: &str| context().with_tracestate(text);
    let good = state("a=1 ,\t1x@v-_*/z=b c~!,, ").unwrap();
    assert_eq!(good.tracestate(), Some("a=1,1x@v-_*/z=b c~!"));
    assert_eq!(good.child().tracestate(), good.tracestate());
    assert_eq!(state(" , ,").unwrap().tracestate(), None);
    for (text, member) in
        [("a", 1), ("a=", 1), ("=b", 1), ("a=1,A=2", 2), ("a=1,_b=2", 2), ("a=b=c", 1), ("a=é", 1), ("a\u{0}=1", 1)]
    {
        assert_eq!(state(text), Err(ContextError::Member { member }), "{text}");
    }
    assert_eq!(state("a=1,b=2,a=3"), Err(ContextError::Duplicate { member: 3 }));
    let members = |n: usize| (0..n).map(|i| format!("k{i}=v")).collect::<Vec<_>>().join(",");
    assert!(state(&members(32)).is_ok());
    assert_eq!(state(&members(33)), Err(ContextError::Members));
    let long = |n: usize| "x".repeat(n);
    assert!(state(&format!("{}={}", long(256), long(256))).is_ok());
    assert_eq!(state(&format!("{}=a", long(257))), Err(ContextError::Member { member: 1 }));
    assert_eq!(state(&format!("a={}", long(257))), Err(ContextError::Member { member: 1 }));
}

#[test]
fn headers_are_read_as_w3c_asks() {
    let headers = TraceContext::from_headers(&format!(" {GOOD}\t"), Some("a=1")).unwrap();
    assert_eq!((headers.traceparent().as_str(), headers.tracestate()), (GOOD, Some("a=1")));
    // The one that is wrong is left out, and does not take the other with it.
    assert_eq!(TraceContext::from_headers(GOOD, Some("a")), Ok(context()));
    assert_eq!(TraceContext::from_headers("", Some("a=1")), Err(ContextError::Length { bytes: 0 }));
}

proptest! {
    #[test]
    fn every_context_comes_back(trace in 1u128.., span in 1u64.., flags in 0u8..4) {
        let context = TraceContext::new(TraceId::new(trace).unwrap(), SpanId::new(span).unwrap(), flags);
        prop_assert_eq!(TraceContext::parse(&context.traceparent()), Ok(context.clone()));
        prop_assert_eq!(u128::from(context.trace_id()), trace);
        prop_assert_eq!(u64::from(context.span_id()), span);
        let child = context.child();
        prop_assert_eq!((child.trace_id(), child.flags()), (context.trace_id(), flags));
        prop_assert_ne!(child.span_id(), context.span_id());
    }

    #[test]
    fn anything_is_read_or_refused(text in ".{0,80}", state in ".{0,80}", at in 0usize..55, with in any::<char>()) {
        if let Ok(context) = TraceContext::from_headers(&text, Some(&state)) {
            prop_assert_eq!(TraceContext::parse(&context.traceparent()), Ok(context.clone()));
        }
        let broken: String = GOOD.chars().enumerate().map(|(i, c)| if i == at { with } else { c }).collect();
        if let Ok(context) = TraceContext::parse(&broken) {
            prop_assert_eq!(&context.traceparent()[3..53], &broken[3..53]);
        }
        if let Ok(context) = context().with_tracestate(&state) {
            let kept = context.tracestate().unwrap_or_default();
            prop_assert_eq!(context.clone().with_tracestate(kept), Ok(context.clone()));
        }
    }
}
