//! An application that uses `tracing`: its own spans are recorded, and are the parents of the messages it sends.

use std::time::Duration;

use ringscope::trace::Tracer;
use ringscope::{DeviceSpec, RingKernelRuntime, RuntimeError};
use tracing_subscriber::layer::SubscriberExt;

fn main() -> Result<(), RuntimeError> {
    let tracer = Tracer::new("importer");
    let subscriber = tracing_subscriber::registry().with(tracer.layer());
    tracing::subscriber::with_default(subscriber, || import(&tracer))?;

    for span in tracer.spans() {
        let parent = span.parent.map_or("a new trace".to_owned(), |parent| format!("a part of {parent}"));
        let fields: Vec<_> = span.attributes.iter().map(|a| format!("{}={}", a.name, a.value)).collect();
        println!("{} {}, {parent}: {}", span.context.span_id(), span.name, fields.join(" "));
        span.events.iter().for_each(|event| println!("    {}", event.name));
    }
    for instant in &tracer.trace().instants {
        let Some((message, context)) = instant.message.as_ref().zip(instant.context.as_ref()) else { continue };
        println!("{} message {} of {} in {}", instant.name, message.number, message.kernel, context.span_id());
    }
    Ok(())
}

fn import(tracer: &Tracer) -> Result<(), RuntimeError> {
    let runtime = RingKernelRuntime::builder().device(DeviceSpec::Host).tracer(tracer.clone()).build()?;
    runtime.launch_blocking("worker", &Default::default())?;
    runtime.activate_blocking("worker")?;
    for batch in 0..3_u8 {
        let _processing = tracing::info_span!("data_processing", batch).entered();
        let number = runtime.send_blocking("worker", &[batch])?;
        tracing::info!(number, "sent");
        runtime.receive_blocking("worker", Duration::from_secs(5))?;
    }
    Ok(())
}
