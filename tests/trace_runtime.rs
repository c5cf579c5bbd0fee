//! Messages of a runtime in a trace: those that are sent inside a span have it as theirs, and an arrow to their reply.
#![cfg(feature = "host")]

use std::collections::HashMap;
use std::time::Duration;

use ringscope::trace::{InstantKind, Tracer};
use ringscope::{DeviceSpec, RingKernelRuntime};

const PATIENCE: Duration = Duration::from_secs(60);

fn runtime(tracer: &Tracer) -> RingKernelRuntime {
    let builder = RingKernelRuntime::builder().device(DeviceSpec::Host).kernel("echo").tracer(tracer.clone());
    let runtime = builder.build().unwrap();
    runtime.launch_blocking("worker", &Default::default()).unwrap();
    runtime.activate_blocking("worker").unwrap();
    runtime
}

#[test]
fn messages_sent_inside_a_span_have_it_as_their_parent() {
    let tracer = Tracer::new("test");
    let runtime = runtime(&tracer);
    runtime.call_blocking("worker", b"outside", PATIENCE).unwrap();
    let mut sent = HashMap::new();
    for n in 0..5_u8 {
        let span = tracer.span("request").start();
        sent.insert(runtime.send_blocking("worker", &[n]).unwrap(), span.context());
    }
    let call = tracer.span("call").start();
    let answered = runtime.call_blocking("worker", b"inside", PATIENCE).unwrap();
    sent.insert(answered.seq, call.context());
    drop(call);
    for _ in 0..5 {
        runtime.receive_blocking("worker", PATIENCE).unwrap();
    }
    for (number, context) in &sent {
        assert_eq!(&tracer.sent_message("worker", *number).expect("remembered").context, context);
    }
    let trace = tracer.trace();
    assert_eq!(trace.instants.len(), 12, "six messages, both ways; nothing of the one outside");
    for receive in trace.instants.iter().filter(|i| i.kind == InstantKind::Receive) {
        let message = receive.message.as_ref().unwrap();
        let send = trace.instants.iter().find(|i| i.kind == InstantKind::Send && i.message.as_ref() == Some(message));
        let send = send.expect("it was sent");
        assert_eq!((send.flows.len(), &send.flows), (1, &receive.flows));
        assert_eq!(send.context.as_ref(), sent.get(&message.number));
        assert!(send.time <= receive.time && &*message.kernel == "worker");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_do_messages_of_tasks() {
    let tracer = Tracer::new("test");
    let runtime = runtime(&tracer);
    let task = |n: u8| {
        let (runtime, span) = (runtime.clone(), tracer.span("task").start_detached());
        let context = span.context();
        let calls = async move {
            let mut numbers = Vec::new();
            for _ in 0..20 {
                numbers.push(runtime.call("worker", &[n], PATIENCE).await.unwrap().seq);
            }
            numbers
        };
        (context, tokio::spawn(span.instrument(calls)))
    };
    for (context, numbers) in (0..4).map(task).collect::<Vec<_>>() {
        for number in numbers.await.unwrap() {
            assert_eq!(tracer.sent_message("worker", number).expect("remembered").context, context);
        }
    }
}
