//! What is counted of connections.

use metrics::{counter, describe_counter};

const REFUSED: &str = "closeout_http_connections_refused_total";
const CUT: &str = "closeout_http_connections_cut_total";

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A request's head had begun and did not come to its end in time.
    HeadTooSlow,
    /// A request's body did not come to its end in time.
    BodyTooSlow,
    /// The client did not read its answer.
    AnswerNotRead,
    /// It had not sent a whole request, and another one needed its place.
    GaveWay,
    /// It still ran after the grace of a stop.
    Stopped,
}

impl Cut {
    const ALL: [Self; 5] =
        [Self::HeadTooSlow, Self::BodyTooSlow, Self::AnswerNotRead, Self::GaveWay, Self::Stopped];

    const fn name(self) -> &'static str {
        match self {
            Self::HeadTooSlow => "head_too_slow",
            Self::BodyTooSlow => "body_too_slow",
            Self::AnswerNotRead => "answer_not_read",
            Self::GaveWay => "gave_way",
            Self::Stopped => "stopped",
        }
    }
}

/// Begins the counters, so that they are there before the first count.
pub(crate) fn begin() {
    describe_counter!(REFUSED, "Connections that were closed at once because there was no room.");
    describe_counter!(
        CUT,
        "Connections that were cut because of their client, for another one, or at a stop; idle ones are not counted."
    );
    counter!(REFUSED).increment(0);
    for cut in Cut::ALL {
        counter!(CUT, "reason" => cut.name()).increment(0);
    }
}

/// A connection was closed at once because there was no room for it.
pub(crate) fn connection_refused() {
    counter!(REFUSED).increment(1);
}

/// A connection was cut.
pub(crate) fn connection_cut(cut: Cut) {
    counter!(CUT, "reason" => cut.name()).increment(1);
}
