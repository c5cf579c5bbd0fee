//! A layer for `tracing_subscriber`: the application's own spans, in the same trace.

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::context::TraceContext;
use super::record::Status;
use super::tracer::{ActiveSpan, Tracer, enter_raw, exit_raw};
use super::value::{Attribute, Name, Value};

/// Records the spans of an application that uses `tracing`, as spans of a [`Tracer`]: with their fields as attributes,
/// their events, and the status error after an event of level ERROR. While such a span is entered it is the thread's current
/// one, as [`Tracer::current`] has it. Made by [`Tracer::layer`]; with the feature `tracing`.
///
/// Events outside of any span are [instants](super::Instant). What is recorded is chosen as for any layer, by filters of
/// `tracing_subscriber`.
///
/// ```
/// use ringscope::trace::Tracer;
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let tracer = Tracer::new("importer");
/// let subscriber = tracing_subscriber::registry().with(tracer.layer());
/// tracing::subscriber::with_default(subscriber, || {
///     let _batch = tracing::info_span!("data_processing", batch_id = 123).entered();
///     tracing::warn!(lines = 3, "some lines are empty");
/// });
/// let span = &tracer.spans()[0];
/// assert_eq!((&*span.name, span.attributes[0].value.to_string()), ("data_processing", "123".into()));
/// assert_eq!(&*span.events[0].name, "some lines are empty");
/// ```
#[derive(Clone, Debug)]
pub struct TracerLayer {
    tracer: Tracer,
}

impl Tracer {
    /// Returns a layer that records the application's `tracing` spans with this tracer.
    pub fn layer(&self) -> TracerLayer {
        TracerLayer { tracer: self.clone() }
    }
}

impl TracerLayer {
    fn parent<S>(attributes: &Attributes<'_>, context: &Context<'_, S>) -> Option<TraceContext>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let of = |id: &Id| context.span(id)?.extensions().get::<ActiveSpan>().map(ActiveSpan::context);
        if attributes.is_contextual() {
            // What this thread entered last, of the application's or of the tracer's own.
            return Tracer::current().or_else(|| context.current_span().id().and_then(of));
        }
        attributes.parent().and_then(of)
    }
}

impl<S> Layer<S> for TracerLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !self.tracer.recording() {
            return;
        }
        let builder = self.tracer.span(attributes.metadata().name());
        let builder = match Self::parent(attributes, &context) {
            Some(parent) => builder.parent(&parent),
            None => builder.root(),
        };
        let fields = Fields::of(|fields| attributes.record(fields));
        let builder = fields.attributes.into_iter().fold(builder, |b, field| b.attribute(field.name, field.value));
        let span = place(attributes.metadata()).into_iter().fold(builder, |b, a| b.attribute(a.name, a.value));
        let span = span.start_detached();
        if let Some(known) = context.span(id) {
            known.extensions_mut().replace(span);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        // Before the span is locked: a value's `Debug` is the user's code, and may log.
        let fields = Fields::of(|fields| values.record(fields));
        with_span(id, &context, |span| fields.all().for_each(|field| span.set_attribute(field.name, field.value)));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !self.tracer.recording() {
            return;
        }
        let fields = Fields::of(|fields| event.record(fields));
        let name = fields.message.unwrap_or_else(|| event.metadata().name().into());
        let attributes = fields.attributes.into_iter().chain(place(event.metadata()));
        let Some(of) = context.event_span(event) else { return self.tracer.instant(name, attributes) };
        let extensions = of.extensions();
        let Some(span) = extensions.get::<ActiveSpan>() else { return self.tracer.instant(name, attributes) };
        if *event.metadata().level() == Level::ERROR {
            span.set_status(Status::Error(name.clone()));
        }
        span.event_with(name, attributes);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        with_span(id, &context, |span| enter_raw(&span.context()));
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        with_span(id, &context, |span| exit_raw(span.context().span_id()));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let ended = context.span(&id).and_then(|span| span.extensions_mut().remove::<ActiveSpan>());
        drop(ended);
    }
}

fn with_span<S>(id: &Id, context: &Context<'_, S>, work: impl FnOnce(&ActiveSpan))
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let span = context.span(id);
    if let Some(span) = span.as_ref().map(|span| span.extensions())
        && let Some(span) = span.get::<ActiveSpan>()
    {
        work(span);
    }
}

/// Where in the program it is, in the words of OpenTelemetry.
fn place(metadata: &Metadata<'static>) -> [Attribute; 2] {
    [
        Attribute::new("level", metadata.level().as_str()),
        Attribute { name: "code.namespace".into(), value: Value::Text(metadata.target().into()) },
    ]
}

/// Fields as attributes; the one that `tracing` calls `message` by itself.
#[derive(Default)]
struct Fields {
    message: Option<Name>,
    attributes: Vec<Attribute>,
}

impl Fields {
    fn of(record: impl FnOnce(&mut Fields)) -> Self {
        let mut fields = Fields::default();
        record(&mut fields);
        fields
    }

    fn all(self) -> impl Iterator<Item = Attribute> {
        let message = self.message.map(|text| Attribute { name: "message".into(), value: Value::Text(text) });
        message.into_iter().chain(self.attributes)
    }

    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        match value.into() {
            Value::Text(text) if field.name() == "message" => self.message = Some(text),
            value => self.attributes.push(Attribute { name: field.name().into(), value }),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}
