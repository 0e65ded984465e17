//! The body of a request, which has to be there in time: who sends it a byte at a time gets no further than who sends nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// Whether a body was late.
#[derive(Debug, Clone, Default)]
pub(super) struct Late(Arc<AtomicBool>);

impl Late {
    pub(super) fn is_so(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A body that breaks off when its time is over.
pub(super) struct Timely {
    body: Incoming,
    over: Pin<Box<Sleep>>,
    late: Late,
}

impl Timely {
    /// One whose time begins now; `late` tells whether it was not kept.
    pub(super) fn new(body: Incoming, within: Duration, late: Late) -> Self {
        Self { body, over: Box::pin(sleep(within)), late }
    }
}

impl Body for Timely {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // Pieces that come, but too slowly, are late as well.
        if self.over.as_mut().poll(context).is_ready() && !matches!(frame, Poll::Ready(None)) {
            self.late.0.store(true, Ordering::Release);
            return Poll::Ready(Some(Err("the body was not there in time".into())));
        }
        frame.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
