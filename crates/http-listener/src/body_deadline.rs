//! A request's body that must be there in time.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::newcomers::Newcomer;

/// A body that did not arrive in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyTooSlow;

impl fmt::Display for BodyTooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body did not arrive in time")
    }
}

impl Error for BodyTooSlow {}

/// Whether a body was cut; the request's answer is 408 then, whatever the handler made of the broken body.
#[derive(Clone, Default)]
pub(crate) struct WasCut(Arc<AtomicBool>);

impl WasCut {
    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A body that ends with [`BodyTooSlow`] when a reader waits for it past the deadline.
pub(crate) struct BodyWithDeadline {
    body: Incoming,
    deadline: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
    cut: WasCut,
    newcomer: Arc<Newcomer>,
}

impl BodyWithDeadline {
    /// The deadline counts from this moment. The newcomer has asked when the body is there as a whole.
    pub(crate) fn new(body: Incoming, within: Duration, newcomer: Arc<Newcomer>) -> (Self, WasCut) {
        let cut = WasCut::default();
        (Self { body, deadline: Instant::now() + within, alarm: None, cut: cut.clone(), newcomer }, cut)
    }
}

impl Body for BodyWithDeadline {
    type Data = <Incoming as Body>::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if frame.is_none() || this.body.is_end_stream() {
                this.newcomer.has_asked();
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.deadline;
        let alarm = this.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if alarm.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        this.cut.0.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(BodyTooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
