//! Moments of a feed, as events.

use ringscope::feed::FeedReceiver;

use crate::cli::top::source::events::{Event, Events};

/// Sends the moments of a feed until it ends, or nobody looks any more.
pub fn pump(mut moments: FeedReceiver, events: &Events) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    let mut lost = 0;
    while let Some(moment) = runtime.block_on(moments.next()) {
        let now_lost = moments.missed();
        let tells = now_lost != lost && events.send(Event::Lost(now_lost)).is_err();
        lost = now_lost;
        if tells || events.send(Event::Moment(moment)).is_err() {
            return;
        }
    }
}
