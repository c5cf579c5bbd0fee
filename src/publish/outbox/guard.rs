//! What destinations do is other people's code: its panics end an attempt, not the thread.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::publish::error::PublishError;

fn panicked(panic: &(dyn std::any::Any + Send)) -> PublishError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    PublishError::permanent(format!("the destination panicked: {}", text.unwrap_or("it did not say why")))
}

pub(super) fn call<T>(body: impl FnOnce() -> Result<T, PublishError>) -> Result<T, PublishError> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

pub(super) async fn run<T>(future: impl Future<Output = Result<T, PublishError>>) -> Result<T, PublishError> {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        polled.unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
    })
    .await
}
