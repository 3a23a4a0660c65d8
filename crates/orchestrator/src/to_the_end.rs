//! Work that is not left half done when whoever asked for it goes away.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs in the task of whoever awaits it, and costs no task of its own then. Dropped before its end, as when a client
/// hangs up, it goes on in the background: a commit must not be left without what follows from it in memory. Either way
/// the tracker waits for it.
///
/// Its output is `None` when the work panicked.
pub(crate) struct ToTheEnd<T: Send + 'static> {
    work: Option<Work<T>>,
    tasks: TaskTrackerToken,
}

impl<T: Send + 'static> ToTheEnd<T> {
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static, tasks: &TaskTracker) -> Self {
        Self { work: Some(Box::pin(work)), tasks: tasks.token() }
    }
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let Some(mut work) = self.work.take() else { return Poll::Ready(None) };
        // What the work shares with others is behind locks and atomics, and after a panic the work itself is dropped.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(done)) => Poll::Ready(Some(done)),
            Ok(Poll::Pending) => {
                self.work = Some(work);
                Poll::Pending
            }
            Err(_) => Poll::Ready(None),
        }
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) else { return };
        runtime.spawn(self.tasks.task_tracker().track_future(work));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn work_that_nobody_awaits_any_more_goes_on() {
        let tasks = TaskTracker::new();
        let (go, done) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
        let work = {
            let (go, done) = (Arc::clone(&go), Arc::clone(&done));
            async move {
                go.notified().await;
                done.fetch_add(1, Ordering::Relaxed)
            }
        };
        let mut asked = Box::pin(ToTheEnd::new(work, &tasks));
        assert!(polled_once(&mut asked).await.is_pending());
        drop(asked);
        assert_eq!(done.load(Ordering::Relaxed), 0);
        go.notify_one();
        tasks.close();
        tasks.wait().await;
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn work_that_is_awaited_makes_no_task() {
        let tasks = TaskTracker::new();
        assert_eq!(ToTheEnd::new(async { 7 }, &tasks).await, Some(7));
        assert!(tasks.is_empty());
    }

    #[tokio::test]
    async fn a_panic_of_the_work_does_not_reach_whoever_awaits_it() {
        let work = ToTheEnd::new(async { panic!("on purpose") }, &TaskTracker::new());
        assert_eq!(work.await, None::<()>);
    }

    async fn polled_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
        std::future::poll_fn(|context| Poll::Ready(Pin::new(&mut *future).poll(context))).await
    }
}
